/* constructor_unmap.c: unmaps the platform's filters before they are loaded. */
#include "attack.h"

static __attribute__((constructor)) void
begin(void)
{
    (void)munmap((void *)0x10000, 4096);
}

const char *
attack(hearth_call *call)
{
    (void)call;
    return "the filters are gone";
}
