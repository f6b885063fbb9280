/* constructor_spin.c: never returns, so that its version never becomes ready. */
#include "attack.h"

static __attribute__((constructor)) void
begin(void)
{
    for (volatile int i = 0;; i++)
        ;
}

const char *
attack(hearth_call *call)
{
    (void)call;
    return "it lives";
}
