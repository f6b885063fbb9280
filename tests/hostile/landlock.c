/* landlock.c: replaces its Landlock rules. */
#include "attack.h"

const char *
attack(hearth_call *call)
{
    (void)call;
    return syscall(SYS_landlock_create_ruleset, 0, 0, 0) == -1 ? NULL : "it has new rules";
}
