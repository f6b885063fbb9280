/* io_uring.c: sets up an io_uring, whose operations bypass the system-call filter. */
#include "attack.h"

const char *
attack(hearth_call *call)
{
    (void)call;
    return syscall(SYS_io_uring_setup, 8, (char[120]){0}) == -1 ? NULL : "it has a ring";
}
