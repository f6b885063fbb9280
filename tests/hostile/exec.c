/* exec.c: executes a shell. */
#include "attack.h"

const char *
attack(hearth_call *call)
{
    (void)call;
    return syscall(SYS_execve, "/bin/sh", 0, 0) == -1 ? NULL : "it runs a shell";
}
