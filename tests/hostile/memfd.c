/* memfd.c: creates a file in memory. */
#include "attack.h"

const char *
attack(hearth_call *call)
{
    (void)call;
    return syscall(SYS_memfd_create, "x", 0) == -1 ? NULL : "it has a memory file";
}
