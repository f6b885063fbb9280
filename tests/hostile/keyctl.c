/* keyctl.c: reads the kernel's key rings. */
#include "attack.h"

const char *
attack(hearth_call *call)
{
    (void)call;
    return syscall(SYS_keyctl, 0, -3, 1, 0, 0) == -1 ? NULL : "it has a key ring";
}
