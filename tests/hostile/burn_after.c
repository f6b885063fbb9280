/* burn_after.c: answers by itself, and computes on when nobody watches the clock any more. */
#include "ring.h"

const char *
attack(hearth_call *call)
{
    struct chan *chan = channel_of(call);

    respond(chan, serial_of(chan), "held\n");
    ring_bells();
    for (volatile int i = 0;; i++)
        ;
}
