/* response_other.c: responds to calls that were not given to it, before and after its own. */
#include "ring.h"

const char *
attack(hearth_call *call)
{
    struct chan *chan = channel_of(call);
    uint64_t own = serial_of(chan);

    for (uint64_t serial = own + 1; serial < own + 64; serial++)
        respond(chan, serial, "ESCAPED: another's answer\n");
    return "its forged frames were accepted";
}
