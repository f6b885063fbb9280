/* network_descriptor.c: passes descriptors over sockets of its own, and puts one of them in the
 * place of the socket to the broker, which alone may carry them. */
#include "attack.h"

#define BROKER 128

static int
passes(int from, int to)
{
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec iov = {.iov_base = (char *)"x", .iov_len = 1};
    struct mmsghdr hdr = {.msg_hdr = {.msg_iov = &iov,
                                      .msg_iovlen = 1,
                                      .msg_control = control,
                                      .msg_controllen = sizeof control}};
    struct cmsghdr *c = CMSG_FIRSTHDR(&hdr.msg_hdr);

    *c = (struct cmsghdr){
        .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
    return sendmsg(from, &hdr.msg_hdr, 0) >= 0 || sendmmsg(from, &hdr, 1, 0) >= 0 ||
           recvmsg(to, &hdr.msg_hdr, MSG_DONTWAIT) >= 0 ||
           recvmmsg(to, &hdr, 1, MSG_DONTWAIT, NULL) >= 0;
}

const char *
attack(hearth_call *call)
{
    int pair[2];

    (void)call;
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0)
        return "nothing: it has no pair of sockets";
    (void)send(pair[1], "x", 1, 0);
    if (passes(pair[0], pair[1]) || passes(pair[1], pair[0]))
        return "it passes descriptors";
    if (dup2(pair[0], BROKER) >= 0 || dup3(pair[0], BROKER, O_CLOEXEC) >= 0 ||
        fcntl(pair[0], F_DUPFD, BROKER) >= 0)
        return "it has replaced the socket to the broker";
    (void)close(BROKER);
    if (dup2(pair[0], BROKER) >= 0 || fcntl(pair[0], F_DUPFD, BROKER) >= 0)
        return "it has another file in the place of the socket to the broker";
    for (int i = 0; i < 300; i++)
        (void)dup(pair[0]);
    if (fcntl(BROKER, F_GETFD) >= 0)
        return "it has filled the place of the socket to the broker";
    return socket(AF_INET, SOCK_STREAM, 0) >= 0 ? "it has a socket without the broker" : NULL;
}
