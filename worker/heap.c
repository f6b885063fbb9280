/* heap.c: see heap.h. */
#include "heap.h"

#include <malloc.h>

#define EVERY 8  /* calls between two looks, */
#define PART  64 /* or this part of all calls so far */

static uint64_t calls, next = EVERY;

void
wrk_heap_note(struct chan *chan, const struct wrk_function *function)
{
    struct mallinfo2 info;
    uint64_t other;

    if (++calls < next)
        return;
    next = calls + (calls / PART > EVERY ? calls / PART : EVERY);
    other = function->heap != NULL ? function->heap() : 0;
    info = mallinfo2();
    atomic_store_explicit(&chan->shared->heap, (uint64_t)(info.uordblks + info.hblkhd) + other,
                          memory_order_relaxed);
}
