/* network_address.c: gives a socket another destination past the broker: with an address in sendto
 * and sendmsg, MSG_FASTOPEN, TCP_FASTOPEN_CONNECT, AF_UNSPEC, and socket options. What it tries to
 * reach is the daemon itself. */
#include "attack.h"

#include <netinet/in.h>
#include <netinet/tcp.h>

static int
is_reached(int fd)
{
    int error = 0;
    socklen_t n = sizeof error;
    struct sockaddr_storage peer;
    socklen_t len = sizeof peer;

    return getpeername(fd, (struct sockaddr *)&peer, &len) == 0 ||
           (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &n) == 0 && error == ECONNREFUSED);
}

const char *
attack(hearth_call *call)
{
    const char *host = hearth_header(call, "Host"), *colon = strchr(host, ':');
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr none = {.sa_family = AF_UNSPEC};
    struct iovec iov = {.iov_base = (char *)"x", .iov_len = 1};
    struct msghdr hdr = {
        .msg_name = &to, .msg_namelen = sizeof to, .msg_iov = &iov, .msg_iovlen = 1};
    int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0), udp = socket(AF_INET, SOCK_DGRAM, 0);

    if (fd < 0 || colon == NULL)
        return "nothing: it has no socket";
    to.sin_port = htons((uint16_t)atoi(colon + 1));
    if (sendto(fd, "x", 1, MSG_FASTOPEN, (const struct sockaddr *)&to, sizeof to) >= 0 ||
        is_reached(fd))
        return "MSG_FASTOPEN";
    if (sendto(fd, "x", 1, MSG_FASTOPEN, NULL, 0) >= 0 || is_reached(fd))
        return "MSG_FASTOPEN without an address";
    if (sendmsg(fd, &hdr, MSG_FASTOPEN) >= 0 || is_reached(fd))
        return "sendmsg with MSG_FASTOPEN";
    if (sendto(udp, "x", 1, 0, (const struct sockaddr *)&to, sizeof to) >= 0)
        return "a datagram";
    if (sendmsg(udp, &hdr, 0) >= 0)
        return "a datagram by sendmsg";
    if (connect(udp, (const struct sockaddr *)&to, sizeof to) == 0)
        return "a datagram socket that is connected";
    if (setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &one, sizeof one) == 0)
        return "TCP_FASTOPEN_CONNECT";
    if (setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3) == 0)
        return "SO_BINDTODEVICE";
    if (setsockopt(fd, IPPROTO_IP, IP_OPTIONS, "\x83\x07\x04\x7f\x00\x00\x01\x00", 8) == 0)
        return "IP_OPTIONS, a source route";
    if (connect(fd, &none, sizeof none) == 0)
        return "AF_UNSPEC";
    if (connect(fd, (const struct sockaddr *)&to, sizeof to) == 0)
        return "the daemon";
    return NULL;
}
