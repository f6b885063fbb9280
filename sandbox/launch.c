/* launch.c: encoding, checking, sending and receiving of the launcher's messages.
 * Used by both sides; links on its own, so that it can be fuzzed alone. */
#include "launch.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "name.h"

#define HEAD_BYTES offsetof(struct launch_message, u)

size_t
launch_size(unsigned type)
{
    static const size_t body[LAUNCH_TYPES] = {
        [LAUNCH_START] = sizeof(struct launch_start),
        [LAUNCH_LIMIT] = sizeof(struct launch_limit),
        [LAUNCH_BUILD] = sizeof(struct launch_build),
        [LAUNCH_STARTED] = sizeof(struct launch_started),
        [LAUNCH_DIED] = sizeof(struct launch_died),
        [LAUNCH_LIMITED] = sizeof(struct launch_limited),
        [LAUNCH_BUILT] = sizeof(struct launch_built),
    };

    return type >= LAUNCH_UP && type < LAUNCH_TYPES ? HEAD_BYTES + body[type] : 0;
}

static bool
ended(const char *text, size_t room)
{
    return memchr(text, '\0', room) != NULL;
}

static bool
name_ok(const char *name)
{
    return ended(name, LIMIT_NAME + 1) && name_function_ok(name, strlen(name));
}

static bool
build_ok(const struct launch_build *build)
{
    if (!name_ok(build->name) || build->version == 0 || build->libs > LIMIT_LIBS)
        return false;
    for (uint32_t i = 0; i < build->libs; i++)
        if (!ended(build->lib[i], sizeof build->lib[i]) ||
            !name_lib_ok(build->lib[i], strlen(build->lib[i])))
            return false;
    return true;
}

static bool
body_ok(const struct launch_message *msg)
{
    switch (msg->type) {
    case LAUNCH_START:
        return name_ok(msg->u.start.name) && msg->u.start.version > 0 && msg->u.start.staged <= 1;
    case LAUNCH_BUILD:
        return build_ok(&msg->u.build);
    case LAUNCH_DIED:
        return msg->u.died.cause <= LAUNCH_CAUSE_NO_WALL &&
               ended(msg->u.died.text, sizeof msg->u.died.text);
    case LAUNCH_BUILT:
        return msg->u.built.result <= LAUNCH_BUILD_BROKEN &&
               ended(msg->u.built.text, sizeof msg->u.built.text);
    default:
        return true;
    }
}

int
launch_decode(const void *bytes, size_t len, struct launch_message *msg)
{
    if (len < HEAD_BYTES || len > sizeof *msg)
        return -EPROTO;
    memset(msg, 0, sizeof *msg);
    memcpy(msg, bytes, len);
    if (msg->version != LAUNCH_VERSION || msg->length != len || launch_size(msg->type) != len)
        return -EPROTO;
    return body_ok(msg) ? 0 : -EPROTO;
}

int
launch_send(int sock, struct launch_message *msg, const int *fds, unsigned n_fds)
{
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(LAUNCH_FDS_MAX * sizeof(int))];
    struct iovec iov = {.iov_base = msg, .iov_len = launch_size(msg->type)};
    struct msghdr hdr = {.msg_iov = &iov, .msg_iovlen = 1};
    ssize_t sent;

    if (iov.iov_len == 0 || n_fds > LAUNCH_FDS_MAX)
        return -EINVAL;
    msg->version = LAUNCH_VERSION;
    msg->length = (uint32_t)iov.iov_len;
    if (n_fds > 0) {
        struct cmsghdr *cmsg;

        memset(control, 0, sizeof control);
        hdr.msg_control = control;
        hdr.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
        cmsg = CMSG_FIRSTHDR(&hdr);
        cmsg->cmsg_level = SOL_SOCKET;
        cmsg->cmsg_type = SCM_RIGHTS;
        cmsg->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
        memcpy(CMSG_DATA(cmsg), fds, n_fds * sizeof(int));
    }
    do {
        sent = sendmsg(sock, &hdr, MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    return sent < 0 ? -errno : 0;
}

/* Moves the descriptors of a received packet to the caller; closes those that
 * have no room. Returns false where any had none. */
static bool
collect_fds(struct msghdr *hdr, int *fds, unsigned *n_fds)
{
    unsigned room = *n_fds;
    bool all = true;

    *n_fds = 0;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(hdr); c != NULL; c = CMSG_NXTHDR(hdr, c)) {
        size_t n;

        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < n; i++) {
            int fd;

            memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
            if (*n_fds < room) {
                fds[(*n_fds)++] = fd;
            } else {
                (void)close(fd);
                all = false;
            }
        }
    }
    return all && (hdr->msg_flags & MSG_CTRUNC) == 0;
}

int
launch_receive(int sock, struct launch_message *msg, int *fds, unsigned *n_fds)
{
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(LAUNCH_FDS_MAX * sizeof(int))];
    char bytes[sizeof *msg + 1];
    struct iovec iov = {.iov_base = bytes, .iov_len = sizeof bytes};
    struct msghdr hdr = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    ssize_t got;
    bool whole;
    int status;

    do {
        got = recvmsg(sock, &hdr, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    } while (got < 0 && errno == EINTR);
    if (got <= 0) {
        *n_fds = 0;
        return got < 0 ? -errno : 0;
    }
    whole = collect_fds(&hdr, fds, n_fds);
    status = launch_decode(bytes, (size_t)got, msg);
    if (whole && status == 0)
        return 1;
    while (*n_fds > 0)
        (void)close(fds[--*n_fds]);
    return status == 0 ? -EMFILE : -EPROTO;
}
