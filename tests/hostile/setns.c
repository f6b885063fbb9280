/* setns.c: joins another namespace through a descriptor. */
#include "attack.h"

const char *
attack(hearth_call *call)
{
    (void)call;
    return syscall(SYS_setns, 0, 0) == -1 ? NULL : "it joined a namespace";
}
