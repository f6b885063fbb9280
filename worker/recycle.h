/* recycle.h: whether an instance that uses much memory is to be replaced. */
#ifndef WORKER_RECYCLE_H
#define WORKER_RECYCLE_H

#include <stdbool.h>

#include "channel.h"

/* After each call: whether it is time to look. */
bool wrk_memory_look_is_due(struct chan *chan);
/* Whether more is used than may be after a call, even after the function was asked to drop caches
 * (memory_low; NULL: it defines none) and free heap was given back. */
bool wrk_memory_is_full(struct chan *chan, void (*memory_low)(void));

#endif
