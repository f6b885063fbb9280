/* mount.c: mounts a file system. */
#include "attack.h"

const char *
attack(hearth_call *call)
{
    (void)call;
    return syscall(SYS_mount, "none", "/tmp", "tmpfs", 0, 0) == -1 ? NULL : "it mounted something";
}
