/* constructor_map_over.c: maps a filter over the platform's filter before that is installed. */
#include "attack.h"

static int got;

static __attribute__((constructor)) void
begin(void)
{
    got = mmap((void *)0x10000, 65536, PROT_READ | PROT_WRITE,
               MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED;
}

const char *
attack(hearth_call *call)
{
    (void)call;
    return got ? "the filters are gone" : NULL;
}
