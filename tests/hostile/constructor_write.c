/* constructor_write.c: overwrites the platform's filters, which are mapped read-only. */
#include "attack.h"

static __attribute__((constructor)) void
begin(void)
{
    *(volatile uint64_t *)0x10010 = 0;
}

const char *
attack(hearth_call *call)
{
    (void)call;
    return "the filters are another's";
}
