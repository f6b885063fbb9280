/* constructor_ready.c: says in a constructor that it is ready, and serves calls itself: so it
 * would keep the wider filter for loading, under which files are opened. */
#include "ring.h"

static __attribute__((constructor)) void
begin(void)
{
    struct chan *chan = channel_on_stack();

    if (chan == NULL || chan_reserve(chan, 0) == NULL)
        return;
    (void)chan_commit(chan, FRAME_READY, FRAME_END, 0, 0);
    ring_bells();
    for (;;) {
        struct frame frame;

        chan_worker_wait(chan, 0, 0);
        while (chan_peek(chan, &frame) == 1) {
            if (frame.header.type == FRAME_REQUEST && chan_claim(chan))
                respond(chan, frame.header.serial, "ESCAPED: a constructor serves\n");
            chan_consume(chan, &frame);
        }
        ring_bells();
    }
}

const char *
attack(hearth_call *call)
{
    (void)call;
    return "its constructor found no channel";
}
