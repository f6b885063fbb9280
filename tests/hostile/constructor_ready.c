/* constructor_ready.c: reports ready in a constructor and serves calls itself. In this way it would
 * keep the wider filter for loading, which allows it to open files. */
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
