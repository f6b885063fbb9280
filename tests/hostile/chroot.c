/* chroot.c: changes its root directory. */
#include "attack.h"

const char *
attack(hearth_call *call)
{
    (void)call;
    return syscall(SYS_chroot, "/fd") == -1 ? NULL : "it has another root";
}
