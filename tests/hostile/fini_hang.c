/* fini_hang.c: hangs in hearth_fini. */
#include "attack.h"

void
hearth_fini(void)
{
    for (volatile int i = 0;; i++)
        ;
}

const char *
attack(hearth_call *call)
{
    (void)call;
    return NULL;
}
