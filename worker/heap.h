/* heap.h: how much malloc has given out, for the gateway, which finds leaks by it. */
#ifndef WORKER_HEAP_H
#define WORKER_HEAP_H

#include "channel.h"
#include "language.h"

/* After each call, when what it took of the arena is free. Looks now and then: every eighth call at
 * first, and more and more rarely. */
void wrk_heap_note(struct chan *chan, const struct wrk_function *function);

#endif
