/* capset.c: acquires all capabilities. */
#include "attack.h"

const char *
attack(hearth_call *call)
{
    (void)call;
    return syscall(SYS_capset, (uint32_t[2]){0x20080522, 0},
                   (uint32_t[6]){~0u, ~0u, ~0u, ~0u, ~0u, ~0u}) == -1
               ? NULL
               : "it has capabilities";
}
