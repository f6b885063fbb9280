/* socketpair.c: makes a pair of sockets. */
#include "attack.h"

const char *
attack(hearth_call *call)
{
    (void)call;
    return syscall(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, (int[2]){0}) == -1 ? NULL
                                                                               : "it has sockets";
}
