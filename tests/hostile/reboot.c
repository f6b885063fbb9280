/* reboot.c: reboots the host. */
#include "attack.h"

const char *
attack(hearth_call *call)
{
    (void)call;
    return syscall(SYS_reboot, 0xfee1dead, 672274793, 0x01234567, 0) == -1 ? NULL : "it rebooted";
}
