/* ring_backwards.c: moves the positions of both rings to where they cannot be. */
#include "ring.h"

const char *
attack(hearth_call *call)
{
    struct chan *chan = channel_of(call);

    for (int i = 0; i < 100000; i++) {
        atomic_store(&chan->shared->response.tail, (uint64_t)i * 48 - 4800);
        atomic_store(&chan->shared->request.head, ~(uint64_t)i);
        atomic_store(&chan->shared->response.head, (uint64_t)i << 40);
    }
    atomic_store(&chan->shared->response.tail, ~UINT64_C(15));
    ring_bells();
    /* a further word of ours would put the positions right before they were looked at */
    for (int i = 0; i < 3000; i++)
        (void)nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    return "it goes on";
}
