/* network_listen.c: listens with a socket that the broker made, in the host's network. */
#include "attack.h"

#include <netinet/in.h>

const char *
attack(hearth_call *call)
{
    struct sockaddr_in any = {.sin_family = AF_INET};
    int stream = socket(AF_INET, SOCK_STREAM, 0), datagram = socket(AF_INET, SOCK_DGRAM, 0);
    char byte;

    (void)call;
    if (stream < 0)
        return "nothing: it has no socket";
    if (listen(stream, 1) == 0)
        return "it listens";
    if (bind(stream, (const struct sockaddr *)&any, sizeof any) == 0)
        return "it has a port";
    if (bind(datagram, (const struct sockaddr *)&any, sizeof any) == 0)
        return "it has a port for datagrams";
    if (accept(stream, NULL, NULL) >= 0)
        return "it accepts";
    return recv(datagram, &byte, 1, MSG_DONTWAIT) >= 0 ? "it receives datagrams" : NULL;
}
