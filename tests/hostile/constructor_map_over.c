/* constructor_map_over.c: maps a filter of its own over the platform's, which is loaded next. */
#include "attack.h"

static __attribute__((constructor)) void
begin(void)
{
    (void)mmap((void *)0x10000, 65536, PROT_READ | PROT_WRITE,
               MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
}

const char *
attack(hearth_call *call)
{
    (void)call;
    return "the filters are gone";
}
