/* bells.c: writes the gateway's eventfd continuously without a reason. */
#include "ring.h"

const char *
attack(hearth_call *call)
{
    (void)call;
    for (;;)
        ring_bells();
}
