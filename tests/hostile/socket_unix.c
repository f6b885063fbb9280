/* socket_unix.c: makes a unix socket, to connect to abstract addresses. */
#include "attack.h"

const char *
attack(hearth_call *call)
{
    (void)call;
    return syscall(SYS_socket, AF_UNIX, SOCK_STREAM, 0) == -1 ? NULL : "it has a unix socket";
}
