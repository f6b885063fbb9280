/* bell_copy.c: duplicates the gateway's eventfds, to change the flags of the copies. */
#include "attack.h"

const char *
attack(hearth_call *call)
{
    (void)call;
    for (long fd = 64; fd < 128; fd++)
        if (syscall(SYS_dup, fd) >= 0 || syscall(SYS_dup2, fd, 40L) >= 0 ||
            syscall(SYS_dup3, fd, 40L, 0L) >= 0 || syscall(SYS_fcntl, fd, F_DUPFD, 10L) >= 0 ||
            syscall(SYS_dup, fd | (1L << 32)) >= 0)
            return "it has a copy of an eventfd";
    return NULL;
}
