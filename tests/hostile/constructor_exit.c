/* constructor_exit.c: ends the process as if all were well, before it is ready. */
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
