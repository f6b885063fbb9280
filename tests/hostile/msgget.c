/* msgget.c: makes a System V message queue, which outlives it. */
#include "attack.h"

const char *
attack(hearth_call *call)
{
    (void)call;
    return syscall(SYS_msgget, 4711, 01666) == -1 ? NULL : "it has a message queue";
}
