/* vfork.c: makes a process by vfork. */
#include "attack.h"

const char *
attack(hearth_call *call)
{
    (void)call;
    return syscall(SYS_vfork) == -1 ? NULL : "it has a child";
}
