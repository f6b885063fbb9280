/* record.c: makes and frees a scheduler. */
#include "record.h"

#include <stdlib.h>

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
    free(sch->timers.nodes);
    free(sch->values.nodes);
    free(sch);
}
