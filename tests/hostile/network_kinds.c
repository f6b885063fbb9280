/* network_kinds.c: asks for sockets that are not for connections. */
#include "attack.h"

#include <linux/if_packet.h>
#include <netinet/in.h>

const char *
attack(hearth_call *call)
{
    static const struct {
        int domain, type, protocol;
    } kinds[] = {
        {AF_INET, SOCK_RAW, IPPROTO_ICMP},
        {AF_INET, SOCK_RAW, IPPROTO_RAW},
        {AF_INET6, SOCK_RAW, IPPROTO_ICMPV6},
        {AF_INET, SOCK_DGRAM, IPPROTO_ICMP},
        {AF_PACKET, SOCK_RAW, 0},
        {AF_PACKET, SOCK_DGRAM, 0},
        {AF_NETLINK, SOCK_RAW, 0},
        {AF_NETLINK, SOCK_DGRAM, 4},
        {AF_VSOCK, SOCK_STREAM, 0},
        {AF_ALG, SOCK_SEQPACKET, 0},
        {AF_INET, SOCK_SEQPACKET, 132},
        {AF_INET, SOCK_STREAM, 132},
        {AF_INET, SOCK_STREAM, 262},
        {AF_UNIX, SOCK_DGRAM, 0},
        {AF_UNIX, SOCK_SEQPACKET, 0},
        {AF_BLUETOOTH, SOCK_STREAM, 3},
    };

    (void)call;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (socket(kinds[i].domain, kinds[i].type, kinds[i].protocol) >= 0)
            return "a socket that is not for a connection";
    return NULL;
}
