/* socket_raw.c: makes a raw socket. */
#include "attack.h"

const char *
attack(hearth_call *call)
{
    (void)call;
    return syscall(SYS_socket, AF_INET, SOCK_RAW, 1) == -1 ? NULL : "it has a raw socket";
}
