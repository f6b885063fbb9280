/* ring_backwards.c: sets the positions of both rings to impossible values. */
#include <time.h>

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
    /* another frame from the worker would correct the positions before they are read */
    for (int i = 0; i < 3000; i++)
        (void)nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    return "it goes on";
}
