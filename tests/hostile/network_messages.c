/* network_messages.c: sends the broker what no worker sends, and takes no answer; then asks for a
 * socket as usual. */
#include "attack.h"

#define BROKER 128

static void
tell(const unsigned char *bytes, size_t n, const int *fds, unsigned count)
{
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(16 * sizeof(int))] = {0};
    struct iovec iov = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = n};
    struct msghdr hdr = {.msg_iov = &iov, .msg_iovlen = 1};

    if (count > 0) {
        struct cmsghdr *c;

        hdr.msg_control = control;
        hdr.msg_controllen = CMSG_SPACE(count * sizeof(int));
        c = CMSG_FIRSTHDR(&hdr);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(count * sizeof(int));
        memcpy(CMSG_DATA(c), fds, count * sizeof(int));
    }
    (void)sendmsg(BROKER, &hdr, MSG_NOSIGNAL | MSG_DONTWAIT);
}

const char *
attack(hearth_call *call)
{
    static const size_t sizes[] = {0, 1, 15, 16, 32, 152, 272, 320, 1048, 4096};
    unsigned char bytes[4096];
    int fds[16], pair[2];
    unsigned seed = 1;

    (void)call;
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0)
        return "nothing: it has no pair of sockets";
    for (int i = 0; i < 16; i++)
        fds[i] = i % 3 == 0 ? BROKER : i % 3 == 1 ? pair[0] : 0;
    for (int i = 0; i < 4000; i++) {
        size_t n = sizes[i % 10];

        for (size_t k = 0; k < n; k++)
            bytes[k] = (unsigned char)((seed = seed * 1103515245 + 12345) >> 16);
        if (i % 2 == 0 && n >= 16) { /* a head that may be one */
            bytes[0] = 1;
            bytes[1] = bytes[3] = 0;
            bytes[2] = (unsigned char)(i / 10 % 18);
            bytes[4] = (unsigned char)n;
            bytes[5] = (unsigned char)(n >> 8);
            bytes[6] = bytes[7] = 0;
        }
        tell(bytes, n, fds, (unsigned)i % 4);
        if (i % 50 == 0)
            (void)usleep(1000);
    }
    return NULL;
}
