/* response_twice.c: sends a response itself, and then lets the platform's library send another one.
 */
#include "ring.h"

const char *
attack(hearth_call *call)
{
    struct chan *chan = channel_of(call);

    respond(chan, serial_of(chan), "held: the first of two\n");
    return "the second answer came through";
}
