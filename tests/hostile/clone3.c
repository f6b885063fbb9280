/* clone3.c: makes a process by clone3, whose flags a filter cannot read. */
#include "attack.h"

const char *
attack(hearth_call *call)
{
    (void)call;
    return syscall(SYS_clone3, (uint64_t[11]){0}, 88) == -1 ? NULL : "it has a child";
}
