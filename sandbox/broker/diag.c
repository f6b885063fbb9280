/* diag.c: asks the kernel about one socket (sock_diag(7)), by its addresses or, of a unix socket,
 * by its number. No privilege is needed; the answer comes at once. */
#include "broker/diag.h"

#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/tcp.h>
#include <linux/unix_diag.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"

static void
put_address(const struct sockaddr_storage *sa, __be32 address[4], __be16 *port)
{
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)sa;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)sa;

    if (sa->ss_family == AF_INET) {
        address[0] = v4->sin_addr.s_addr;
        *port = v4->sin_port;
    } else {
        memcpy(address, &v6->sin6_addr, sizeof v6->sin6_addr);
        *port = v6->sin6_port;
    }
}

/* One answer: its length, or -1. */
static ssize_t
ask(int diag, void *request, size_t n, void *answer, size_t room)
{
    struct nlmsghdr *header = request;
    ssize_t got;

    header->nlmsg_len = (uint32_t)n;
    header->nlmsg_type = SOCK_DIAG_BY_FAMILY;
    header->nlmsg_flags = NLM_F_REQUEST;
    if (send(diag, request, n, 0) != (ssize_t)n)
        return -1;
    do {
        got = recv(diag, answer, room, 0);
    } while (got < 0 && errno == EINTR);
    header = answer;
    if (got < (ssize_t)sizeof *header || header->nlmsg_type != SOCK_DIAG_BY_FAMILY)
        return -1;
    return got;
}

static void
read_bytes(const struct nlmsghdr *header, uint64_t *sent, uint64_t *received)
{
    const struct inet_diag_msg *msg = NLMSG_DATA(header);
    int left = (int)header->nlmsg_len - (int)NLMSG_LENGTH(sizeof *msg);

    for (const struct rtattr *a = (const struct rtattr *)(msg + 1); RTA_OK(a, left);
         a = RTA_NEXT(a, left)) {
        struct tcp_info info = {0};
        size_t n = RTA_PAYLOAD(a);

        if (a->rta_type != INET_DIAG_INFO)
            continue;
        memcpy(&info, RTA_DATA(a), n < sizeof info ? n : sizeof info);
        *sent =
            info.tcpi_bytes_acked > 0 ? info.tcpi_bytes_acked - 1 : 0; /* the SYN counts as one */
        *received = info.tcpi_bytes_received;
    }
}

static bool
internet_is_open(int diag, const struct diag_socket *c, uint64_t *sent, uint64_t *received)
{
    struct {
        struct nlmsghdr header;
        struct inet_diag_req_v2 body;
    } request = {.body = {.sdiag_family = (uint8_t)c->family,
                          .sdiag_protocol = IPPROTO_TCP,
                          .idiag_ext = 1 << (INET_DIAG_INFO - 1),
                          .idiag_states = ~0u,
                          .id = {.idiag_cookie = {INET_DIAG_NOCOOKIE, INET_DIAG_NOCOOKIE}}}};
    _Alignas(struct nlmsghdr) char answer[4096];
    const struct inet_diag_msg *msg = NLMSG_DATA((struct nlmsghdr *)answer);

    put_address(&c->local, request.body.id.idiag_src, &request.body.id.idiag_sport);
    put_address(&c->remote, request.body.id.idiag_dst, &request.body.id.idiag_dport);
    if (ask(diag, &request, sizeof request, answer, sizeof answer) < 0 ||
        msg->idiag_inode != (uint32_t)c->inode)
        return false; /* it was closed; the kernel may keep a rest of it, without a number */
    read_bytes((const struct nlmsghdr *)answer, sent, received);
    return true;
}

static bool
unix_is_open(int diag, const struct diag_socket *c)
{
    struct {
        struct nlmsghdr header;
        struct unix_diag_req body;
    } request = {
        .body = {.sdiag_family = AF_UNIX,
                 .udiag_states = ~0u,
                 .udiag_ino = (uint32_t)c->inode,
                 .udiag_cookie = {(uint32_t)INET_DIAG_NOCOOKIE, (uint32_t)INET_DIAG_NOCOOKIE}}};
    _Alignas(struct nlmsghdr) char answer[1024];

    return ask(diag, &request, sizeof request, answer, sizeof answer) > 0;
}

bool
diag_is_open(int diag, const struct diag_socket *c, uint64_t *sent, uint64_t *received)
{
    *sent = *received = UINT64_MAX;
    return c->family == AF_UNIX ? unix_is_open(diag, c) : internet_is_open(diag, c, sent, received);
}

/* A socket of our own of each kind is asked about: a kernel without one of them (CONFIG_INET_DIAG,
 * CONFIG_UNIX_DIAG) would seem to have closed all connections. */
static bool
answers(int diag)
{
    struct diag_socket tcp = {.family = AF_INET}, local = {.family = AF_UNIX};
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof tcp.local;
    cleanup_close int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cleanup_close int other = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct stat st;
    uint64_t sent, received;

    if (fd < 0 || other < 0 || bind(fd, (const struct sockaddr *)&any, sizeof any) != 0 ||
        listen(fd, 1) != 0 || getsockname(fd, (struct sockaddr *)&tcp.local, &n) != 0 ||
        fstat(fd, &st) != 0)
        return false;
    tcp.remote.ss_family = AF_INET;
    tcp.inode = st.st_ino;
    if (fstat(other, &st) != 0)
        return false;
    local.inode = st.st_ino;
    return diag_is_open(diag, &tcp, &sent, &received) &&
           diag_is_open(diag, &local, &sent, &received);
}

int
diag_open(struct hearth_err *err)
{
    cleanup_close int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);

    if (fd < 0)
        return err_set(err, errno, "ask the kernel about sockets");
    if (!answers(fd))
        return err_set(
            err, ENOTSUP,
            "the kernel does not answer questions about sockets (inet_diag, tcp_diag and "
            "unix_diag are needed)");
    return take_fd(&fd);
}
