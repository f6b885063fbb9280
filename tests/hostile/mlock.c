/* mlock.c: locks memory, so that it cannot be reclaimed. */
#include "attack.h"

const char *
attack(hearth_call *call)
{
    (void)call;
    return syscall(SYS_mlock, attack, 4096) == -1 ? NULL : "its memory is locked";
}
