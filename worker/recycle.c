/* recycle.c: reads how much memory this instance uses between two calls, so that it is replaced
 * there and not killed in a call (setting recycle_memory).
 *
 * When to look: let T be what may be used after a call, L the limit, u the use at the last look. As
 * long as no call adds L - T or more, a call that begins at T or below ends below L. This still
 * holds (T - u) / (L - T) calls later; then one more call may run, and the next look is due.
 */
#include "recycle.h"

#include <malloc.h>
#include <stdint.h>

#include "api.h"

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
wrk_memory_is_full(struct chan *chan, void (*memory_low)(void))
{
    uint64_t recycle_at = atomic_load_explicit(&chan->shared->recycle_at, memory_order_relaxed);
    uint64_t limit = hearth_memory_limit(), used = hearth_memory_used();

    looked_for = recycle_at;
    if (recycle_at == 0)
        return false;
    if (used > recycle_at) {
        if (memory_low != NULL)
            memory_low();
        (void)malloc_trim(0);
        used = hearth_memory_used();
    }
    if (used > recycle_at)
        return true;
    calls_left = limit > recycle_at ? (recycle_at - used) / (limit - recycle_at) : 0;
    return false;
}
