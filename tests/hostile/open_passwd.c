/* open_passwd.c: reads the host's password file from a call. */
#include "attack.h"

const char *
attack(hearth_call *call)
{
    (void)call;
    return syscall(SYS_openat, AT_FDCWD, "/etc/passwd", O_RDONLY) == -1 ? NULL
                                                                        : "it opened the file";
}
