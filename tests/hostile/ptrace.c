/* ptrace.c: traces the first process of its namespace. */
#include "attack.h"

const char *
attack(hearth_call *call)
{
    (void)call;
    return syscall(SYS_ptrace, 16, 1, 0, 0) == -1 ? NULL : "it traces a process";
}
