/* ring_remove.c: removes the pages of the channel while the gateway has them mapped. */
#include "ring.h"

const char *
attack(hearth_call *call)
{
    struct chan *chan = channel_of(call);

    if (madvise(chan->shared, 4096, MADV_REMOVE) == 0 ||
        madvise(chan->shared, 4096, MADV_PAGEOUT) == 0)
        return "pages of the channel are gone";
    return NULL;
}
