/* pidfd_open.c: opens a pidfd of another process. */
#include "attack.h"

const char *
attack(hearth_call *call)
{
    (void)call;
    return syscall(SYS_pidfd_open, 1, 0) == -1 ? NULL : "it has a pidfd";
}
