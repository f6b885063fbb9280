/* constructor_later.c: like constructor_ready, but only if its limit is above 16M, so that the
 * instance that checks the version behaves. */
#include "ring.h"

static __attribute__((constructor)) void
begin(void)
{
    struct chan *chan = channel_on_stack();

    if (chan != NULL && atomic_load(&chan->shared->memory_limit) > (16u << 20))
        serve_alone(chan, "ESCAPED: a constructor serves\n");
}

const char *
attack(hearth_call *call)
{
    (void)call;
    return "its constructor found no channel, or the old limit";
}
