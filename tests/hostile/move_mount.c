/* move_mount.c: moves a mount. */
#include "attack.h"

const char *
attack(hearth_call *call)
{
    (void)call;
    return syscall(SYS_move_mount, -100, "/", -100, "/tmp", 0) == -1 ? NULL : "it moved a mount";
}
