/* memory.c: looks at what this instance uses between two calls, so that it is replaced there
 * and not killed in a call (setting recycle_memory).
 *
 * What can be added per call decides when: let T be the share that may be used after a call,
 * L the limit, u what was used at the last look. As long as no call adds L - T or more, a call
 * that begins at T or below ends below L; and (T - u) / (L - T) calls later that is still so.
 * One more may run then, and the next look is due.
 */
#include "api.h"
#include "worker.h"

static uint64_t looked_for; /* recycle_at at the last look */
static uint64_t calls_left; /* until the next */

bool
wrk_memory_look_is_due(struct chan *chan)
{
    uint64_t recycle_at = atomic_load_explicit(&chan->shared->recycle_at, memory_order_relaxed);

    if (recycle_at == 0)
        return false;
    if (calls_left == 0 || recycle_at != looked_for)
        return true;
    calls_left--;
    return false;
}

bool
wrk_memory_is_full(struct chan *chan)
{
    uint64_t recycle_at = atomic_load_explicit(&chan->shared->recycle_at, memory_order_relaxed);
    uint64_t limit = hearth_memory_limit(), used = hearth_memory_used();

    looked_for = recycle_at;
    if (used > recycle_at)
        return true;
    calls_left = limit > recycle_at ? (recycle_at - used) / (limit - recycle_at) : 0;
    return false;
}
