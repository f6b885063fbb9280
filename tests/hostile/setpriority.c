/* setpriority.c: takes a better priority. */
#include "attack.h"

const char *
attack(hearth_call *call)
{
    (void)call;
    return syscall(SYS_setpriority, 0, 0, -20) == -1 ? NULL : "it has a better priority";
}
