/* shmget.c: makes System V shared memory, which outlives it. */
#include "attack.h"

const char *
attack(hearth_call *call)
{
    (void)call;
    return syscall(SYS_shmget, 4711, 1 << 20, 01666) == -1 ? NULL : "it has shared memory";
}
