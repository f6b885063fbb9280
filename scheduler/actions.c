/* actions.c: decisions of the scheduler, until the caller takes them: a queue for each lane. */
#include "actions.h"

#include <errno.h>
#include <stdlib.h>

static void
widen(struct actions *queue)
{
    struct sch_action *wider = calloc(2 * queue->room, sizeof *wider);

    if (wider == NULL)
        abort(); /* without this action, a call would be lost */
    for (size_t i = 0; i < queue->count; i++)
        wider[i] = queue->ring[(queue->head + i) % queue->room];
    free(queue->ring);
    queue->ring = wider;
    queue->head = 0;
    queue->room *= 2;
}

void
sch_act(struct sch *sch, struct sch_action action)
{
    uint32_t lane = action.call != NULL ? action.call->lane : 0;
    struct actions *queue = &sch->queues[lane];

    action.slot_id = action.slot != NULL ? action.slot->id : 0;
    if (queue->count == queue->room)
        widen(queue);
    queue->ring[(queue->head + queue->count++) % queue->room] = action;
    sch->lanes_acting |= UINT64_C(1) << lane;
}

/* Its calls wait again, and its record may be that of another slot by now. */
static bool
is_stale(const struct sch_action *action)
{
    return action->slot != NULL && action->slot->id != action->slot_id;
}

bool
sch_next_action(struct sch *sch, uint32_t lane, struct sch_action *action)
{
    struct actions *queue = &sch->queues[lane];

    do {
        if (queue->count == 0)
            return false;
        *action = queue->ring[queue->head];
        queue->head = (queue->head + 1) % queue->room;
        if (--queue->count == 0)
            sch->lanes_acting &= ~(UINT64_C(1) << lane);
    } while (is_stale(action));
    return true;
}

uint64_t
sch_lanes(const struct sch *sch)
{
    return sch->lanes_acting;
}
