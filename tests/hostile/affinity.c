/* affinity.c: moves another process to a core. */
#include "attack.h"

const char *
attack(hearth_call *call)
{
    (void)call;
    return syscall(SYS_sched_setaffinity, 1, 8, (long[1]){1}) == -1 ? NULL : "it moved a process";
}
