/* socket_tcp.c: makes a TCP socket, to connect to the administration on loopback. */
#include "attack.h"

const char *
attack(hearth_call *call)
{
    (void)call;
    return syscall(SYS_socket, AF_INET, SOCK_STREAM, 0) == -1 ? NULL : "it has a TCP socket";
}
