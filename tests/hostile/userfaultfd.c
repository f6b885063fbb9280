/* userfaultfd.c: handles its own page faults, to stop the kernel in the middle of a copy. */
#include "attack.h"

const char *
attack(hearth_call *call)
{
    (void)call;
    return syscall(SYS_userfaultfd, 0) == -1 ? NULL : "it handles faults";
}
