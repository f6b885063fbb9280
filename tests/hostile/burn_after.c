/* burn_after.c: sends its response itself and then keeps computing, when no timeout applies any
 * more. */
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
