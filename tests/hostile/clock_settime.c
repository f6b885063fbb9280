/* clock_settime.c: sets the host's clock. */
#include "attack.h"

const char *
attack(hearth_call *call)
{
    (void)call;
    return syscall(SYS_clock_settime, 0, (long[2]){0, 0}) == -1 ? NULL : "it set the clock";
}
