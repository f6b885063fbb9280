/* network_options.c: asks sockets for more than their state: descriptors of processes, memory. */
#include "attack.h"

#include <netinet/in.h>
#include <netinet/tcp.h>

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif
#ifndef TCP_ZEROCOPY_RECEIVE
#define TCP_ZEROCOPY_RECEIVE 35
#endif
#define BROKER 128 /* the socket to it */

const char *
attack(hearth_call *call)
{
    static const struct {
        int level, name;
    } questions[] = {
        {SOL_SOCKET, SO_PEERPIDFD},       {SOL_SOCKET, SO_PEERSEC},
        {SOL_SOCKET, SO_PEERGROUPS},      {SOL_SOCKET, SO_ATTACH_FILTER},
        {SOL_SOCKET, SO_BINDTODEVICE},    {SOL_SOCKET, SO_LINGER},
        {IPPROTO_TCP, TCP_REPAIR},        {IPPROTO_TCP, TCP_ZEROCOPY_RECEIVE},
        {IPPROTO_TCP, TCP_SAVED_SYN},     {IPPROTO_TCP, TCP_ULP},
        {IPPROTO_IP, 64 /* netfilter */}, {IPPROTO_RAW, 1},
    };
    static char answer[4096];
    int pair[2], tcp = socket(AF_INET, SOCK_STREAM, 0);

    (void)call;
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0)
        return "no pair";
    for (size_t i = 0; i < sizeof questions / sizeof questions[0]; i++) {
        const int sockets[] = {BROKER, pair[0], tcp};

        for (size_t k = 0; k < sizeof sockets / sizeof sockets[0]; k++) {
            socklen_t n = sizeof answer;

            if (getsockopt(sockets[k], questions[i].level, questions[i].name, answer, &n) == 0 ||
                errno != ENOPROTOOPT)
                return "an answer about more than a socket's state";
        }
    }
    return NULL;
}
