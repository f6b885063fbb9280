/* constructor_exit.c: exits with success before the worker is ready. */
#include "attack.h"

static __attribute__((constructor)) void
begin(void)
{
    _exit(0);
}

const char *
attack(hearth_call *call)
{
    (void)call;
    return "it lives";
}
