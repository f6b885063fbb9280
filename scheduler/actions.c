/* actions.c: what the scheduler has decided, until the caller takes it: a queue per
 * lane. */
#include <errno.h>
#include <stdlib.h>

#include "internal.h"

struct sch *
sch_new(const struct sch_config *config)
{
    struct sch *sch = calloc(1, sizeof *sch);

    if (sch == NULL)
        return NULL;
    sch->config = *config;
    sch->cores = config->cores > 0 ? config->cores : 1;
    sch->queues = calloc(config->lanes, sizeof *sch->queues);
    if (sch->queues == NULL) {
        free(sch);
        return NULL;
    }
    for (; sch->lanes < config->lanes; sch->lanes++) {
        struct actions *queue = &sch->queues[sch->lanes];

        queue->room = 64;
        queue->ring = calloc(queue->room, sizeof *queue->ring);
        if (queue->ring == NULL) {
            sch_free(sch);
            return NULL;
        }
    }
    return sch;
}

void
sch_free(struct sch *sch)
{
    while (sch->free_slots != NULL) {
        struct sch_slot *slot = sch->free_slots;

        sch->free_slots = slot->next;
        free(slot);
    }
    for (uint32_t lane = 0; lane < sch->lanes; lane++)
        free(sch->queues[lane].ring);
    free(sch->queues);
    free(sch->heap);
    free(sch->values);
    free(sch);
}

static void
widen(struct actions *queue)
{
    struct sch_action *wider = calloc(2 * queue->room, sizeof *wider);

    if (wider == NULL)
        abort(); /* a decision that is lost would lose a call */
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

    if (queue->count == queue->room)
        widen(queue);
    queue->ring[(queue->head + queue->count++) % queue->room] = action;
    sch->lanes_acting |= UINT64_C(1) << lane;
}

bool
sch_next_action(struct sch *sch, uint32_t lane, struct sch_action *action)
{
    struct actions *queue = &sch->queues[lane];

    if (queue->count == 0)
        return false;
    *action = queue->ring[queue->head];
    queue->head = (queue->head + 1) % queue->room;
    if (--queue->count == 0)
        sch->lanes_acting &= ~(UINT64_C(1) << lane);
    return true;
}

uint64_t
sch_lanes(const struct sch *sch)
{
    return sch->lanes_acting;
}
