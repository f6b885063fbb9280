/* constructor_map_zero.c: maps over the platform's filters from below, starting at address zero. */
#include "attack.h"

static int got;

static __attribute__((constructor)) void
begin(void)
{
    got = syscall(SYS_mmap, 0, 0x20000, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) >= 0;
}

const char *
attack(hearth_call *call)
{
    (void)call;
    return got ? "the filters are gone" : NULL;
}
