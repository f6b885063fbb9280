/* seccomp_run.c: loads a filter of its own while it serves. */
#include "attack.h"

const char *
attack(hearth_call *call)
{
    (void)call;
    return syscall(SYS_seccomp, 1, 0, 0) == -1 ? NULL : "it loaded a filter";
}
