/* personality.c: changes its personality, to disable address randomization. */
#include "attack.h"

const char *
attack(hearth_call *call)
{
    (void)call;
    return syscall(SYS_personality, 0x0040000) == -1 ? NULL : "it has another personality";
}
