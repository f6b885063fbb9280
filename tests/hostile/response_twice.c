/* response_twice.c: answers by itself, and then lets the platform answer too. */
#include "ring.h"

const char *
attack(hearth_call *call)
{
    struct chan *chan = channel_of(call);

    respond(chan, serial_of(chan), "held: the first of two\n");
    return "the second answer came through";
}
