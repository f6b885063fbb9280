/* iopl.c: gets access to the I/O ports. */
#include "attack.h"

const char *
attack(hearth_call *call)
{
    (void)call;
    return syscall(SYS_iopl, 3) == -1 ? NULL : "it has the ports";
}
