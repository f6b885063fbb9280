/* bells.c: rings the gateway's bell without end and for nothing. */
#include "ring.h"

const char *
attack(hearth_call *call)
{
    (void)call;
    for (;;)
        ring_bells();
}
