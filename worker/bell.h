/* bell.h: wakes the gateway. */
#ifndef WORKER_BELL_H
#define WORKER_BELL_H

#include <stdint.h>
#include <unistd.h>

#include "channel.h"
#include "inherit.h"
#include "limits.h"

/* Wakes the loop of the gateway that sleeps, if one does. */
static inline void
wrk_ring_bell(struct chan *chan)
{
    static const uint64_t one = 1;

    uint32_t bell = chan_gateway_wants_bell(chan);

    if (bell > 0 && bell <= LIMIT_THREADS)
        (void)!write(INHERIT_WORKER_BELLS + (int)bell - 1, &one, sizeof one);
}

#endif
