/* queue.c: calls in the queue of their function, or given to a slot; and the bounds of both. */
#include "queue.h"

#include "lists.h"

/* For the bounds of all functions together: calls that wait, and calls sent ahead, which may have
 * to wait again at any time. */
static void
count_queued(struct sch *sch, const struct sch_call *call)
{
    sch->queued_calls++;
    sch->queued_bytes += call->bytes;
}

static void
uncount_queued(struct sch *sch, const struct sch_call *call)
{
    sch->queued_calls--;
    sch->queued_bytes -= call->bytes;
}

void
sch_wait_before(struct sch *sch, struct sch_function *f, struct sch_call *before,
                struct sch_call *call)
{
    call->state = SCH_CALL_WAITING;
    sch_calls_insert(&f->waiting, before, call);
    count_queued(sch, call);
}

void
sch_stop_waiting(struct sch *sch, struct sch_call *call)
{
    sch_calls_remove(&call->function->waiting, call);
    uncount_queued(sch, call);
}

void
sch_give(struct sch *sch, struct sch_slot *slot, struct sch_call *call)
{
    call->ahead = slot->runs.head != NULL;
    if (call->ahead)
        count_queued(sch, call);
    sch_calls_append(&slot->runs, call);
    call->state = SCH_CALL_RUNNING;
    call->slot = slot;
    slot->function->running++;
}

/* It ran, or was recalled. The call behind it is the first now. */
void
sch_take(struct sch *sch, struct sch_call *call)
{
    struct sch_slot *slot = call->slot;
    struct sch_call *first;

    sch_calls_remove(&slot->runs, call);
    slot->function->running--;
    if (call->ahead)
        uncount_queued(sch, call);
    first = slot->runs.head;
    if (first != NULL && first->ahead)
        uncount_queued(sch, first);
    if (first != NULL)
        first->ahead = false;
    call->ahead = false;
    call->slot = NULL;
    call->state = SCH_CALL_OUT;
}

/* The bound: the calls that may wait, and one for each instance that may exist. Calls sent ahead
 * count too: they wait again if their instance is slow or ends. */
bool
sch_queue_is_full(const struct sch_function *f)
{
    return (uint64_t)f->waiting.count + f->running >=
           (uint64_t)f->settings.queue + (uint64_t)f->settings.max;
}

bool
sch_host_is_full(const struct sch *sch, const struct sch_call *call)
{
    const struct sch_config *c = &sch->config;

    return (c->queue_calls > 0 && sch->queued_calls >= c->queue_calls) ||
           (c->queue_bytes > 0 && sch->queued_bytes + call->bytes > c->queue_bytes);
}
