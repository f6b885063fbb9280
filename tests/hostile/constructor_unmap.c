/* constructor_unmap.c: unmaps the platform's filters before they are installed. */
#include "attack.h"

static int got;

static __attribute__((constructor)) void
begin(void)
{
    got = munmap((void *)0x10000, 4096) == 0;
}

const char *
attack(hearth_call *call)
{
    (void)call;
    return got ? "the filters are gone" : NULL;
}
