/* constructor_ready.c: says in a constructor that it is ready, and serves calls itself: so it
 * would keep the wider filter for loading, under which files are opened. */
#include "ring.h"

static __attribute__((constructor)) void
begin(void)
{
    struct chan *chan = channel_on_stack();

    if (chan != NULL)
        serve_alone(chan, "ESCAPED: a constructor serves\n");
}

const char *
attack(hearth_call *call)
{
    (void)call;
    return "its constructor found no channel";
}
