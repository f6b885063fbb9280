/* internal.h: what the files of the scheduler share. */
#ifndef SCHEDULER_INTERNAL_H
#define SCHEDULER_INTERNAL_H

#include "scheduler.h"

struct actions { /* a ring */
    struct sch_action *ring;
    size_t head, count, room;
};

struct sch {
    struct actions *queues; /* one per lane */
    uint32_t lanes;
    uint64_t lanes_acting;
    struct sch_function *timed;
    int64_t wake_at;
    struct sch_slot *free_slots;
    uint64_t next_id;
    uint32_t cores;
    uint32_t busy; /* slots of all functions that run something */
};

/* actions.c: adds one to its lane's queue. */
void sch_act(struct sch *sch, struct sch_action action);

/* ---- lists ---- */

void sch_calls_append(struct sch_call_list *list, struct sch_call *call);
/* Before another one of the list; at its end for NULL. */
void sch_calls_insert(struct sch_call_list *list, struct sch_call *before, struct sch_call *call);
void sch_calls_remove(struct sch_call_list *list, struct sch_call *call);
/* Newest first: an idle list is a LIFO, its tail the instance idle for longest. */
void sch_slots_push(struct sch_slot_list *list, struct sch_slot *slot);
void sch_slots_remove(struct sch_slot_list *list, struct sch_slot *slot);

#endif
