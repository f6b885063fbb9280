/* setuid.c: becomes root. */
#include "attack.h"

const char *
attack(hearth_call *call)
{
    (void)call;
    return syscall(SYS_setuid, 0) == -1 ? NULL : "it is root";
}
