/* bell_blocking.c: makes the gateway's eventfds blocking, so that the gateway's next read would
 * hang; also with a descriptor number whose upper half the kernel ignores. */
#include "attack.h"

const char *
attack(hearth_call *call)
{
    (void)call;
    for (long fd = 64; fd < 128; fd++)
        if (syscall(SYS_fcntl, fd, F_SETFL, 0) == 0 ||
            syscall(SYS_fcntl, fd | (1L << 32), F_SETFL, 0) == 0)
            return "the flags of an eventfd are changed";
    return NULL;
}
