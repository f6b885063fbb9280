/* fd_passing.c: descriptors over a unix socket. */
#include "fd_passing.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int
fd_send(int sock, const void *bytes, size_t len, const int *fds, unsigned n, int flags)
{
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(FD_PASSING_MAX * sizeof(int))];
    struct iovec iov = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = len};
    struct msghdr hdr = {.msg_iov = &iov, .msg_iovlen = 1};
    ssize_t sent;

    if (n > FD_PASSING_MAX)
        return -EINVAL;
    if (n > 0) {
        struct cmsghdr *cmsg;

        memset(control, 0, sizeof control);
        hdr.msg_control = control;
        hdr.msg_controllen = CMSG_SPACE(n * sizeof(int));
        cmsg = CMSG_FIRSTHDR(&hdr);
        cmsg->cmsg_level = SOL_SOCKET;
        cmsg->cmsg_type = SCM_RIGHTS;
        cmsg->cmsg_len = CMSG_LEN(n * sizeof(int));
        memcpy(CMSG_DATA(cmsg), fds, n * sizeof(int));
    }
    do {
        sent = sendmsg(sock, &hdr, MSG_NOSIGNAL | flags);
    } while (sent < 0 && errno == EINTR);
    return sent < 0 ? -errno : 0;
}

/* Moves the descriptors to the caller; closes those that have no room. False if any had none. */
static bool
collect(struct msghdr *hdr, int *fds, unsigned *n)
{
    unsigned room = *n;
    bool all = true;

    *n = 0;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(hdr); c != NULL; c = CMSG_NXTHDR(hdr, c)) {
        size_t count;

        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; i++) {
            int fd;

            memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
            if (*n < room) {
                fds[(*n)++] = fd;
            } else {
                (void)close(fd);
                all = false;
            }
        }
    }
    return all && (hdr->msg_flags & MSG_CTRUNC) == 0;
}

ssize_t
fd_receive(int sock, void *bytes, size_t len, int *fds, unsigned *n, bool *all, int flags)
{
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(FD_PASSING_MAX * sizeof(int))];
    struct iovec iov = {.iov_base = bytes, .iov_len = len};
    struct msghdr hdr = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    ssize_t got;

    do {
        got = recvmsg(sock, &hdr, MSG_CMSG_CLOEXEC | flags);
    } while (got < 0 && errno == EINTR);
    if (got < 0) {
        *n = 0;
        *all = true;
        return -errno;
    }
    if (got == 0) { /* the end; or an empty packet, which may carry descriptors too */
        *n = 0;
        *all = collect(&hdr, fds, n);
        return 0;
    }
    *all = collect(&hdr, fds, n);
    return got;
}
