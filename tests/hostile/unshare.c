/* unshare.c: creates a user namespace, in which it would be root. */
#include "attack.h"

const char *
attack(hearth_call *call)
{
    (void)call;
    return syscall(SYS_unshare, CLONE_NEWUSER) == -1 ? NULL : "it has a user namespace";
}
