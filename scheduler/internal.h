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
    struct sch_config config;
    struct sch_function **heap; /* timers.c */
    uint32_t heap_count, heap_room;
    struct sch_slot *free_slots;
    uint64_t next_id;
    uint32_t cores;
    uint32_t busy;                       /* slots of all functions that run something */
    uint64_t queued_calls, queued_bytes; /* that wait, or were sent ahead */
    /* budget.c */
    int64_t used_bytes;    /* of all slots, and held */
    int64_t leaving_bytes; /* of them: of slots that retire */
    int64_t kept_bytes;    /* what min keeps, of all functions */
    double clock;          /* of greedy-dual: the value of the last that was evicted */
    uint64_t evictions;
    struct sch_function **values; /* a heap */
    uint32_t values_count, values_room;
    struct sch_function *staffed;
    struct sch_function *hungry, *hungry_last;
    struct sch_function *feeding; /* whose turn it is just now */
};

/* scheduler.c */
void sch_pump(struct sch *sch, struct sch_function *f, int64_t now_ns);
void sch_slot_retire(struct sch *sch, struct sch_slot *slot, int64_t now_ns);
/* Nothing more is given to it; it is not idle. */
void sch_slot_close(struct sch *sch, struct sch_slot *slot);

/* queue.c */
void sch_wait_before(struct sch *sch, struct sch_function *f, struct sch_call *before,
                     struct sch_call *call);
void sch_stop_waiting(struct sch *sch, struct sch_call *call);
/* To a slot, behind what it has; and from it again: the next one is the first then. */
void sch_give(struct sch *sch, struct sch_slot *slot, struct sch_call *call);
void sch_take(struct sch *sch, struct sch_call *call);
bool sch_queue_is_full(const struct sch_function *f);
/* Of all functions together, with one call more. */
bool sch_host_is_full(const struct sch *sch, const struct sch_call *call);

/* timers.c: sch_tick comes to the function at that time, or sooner. */
void sch_wake_by(struct sch *sch, struct sch_function *f, int64_t at_ns);
void sch_forget_time(struct sch *sch, struct sch_function *f);

/* keepalive.c */
void sch_idle_record(struct sch_idle_times *times, int64_t idle_ns);
struct sch_keep sch_keep_plan(const struct sch_idle_times *times);

/* budget.c */
bool sch_has_room(const struct sch *sch, int64_t bytes);
void sch_slot_value(struct sch *sch, struct sch_slot *slot);
void sch_staff(struct sch *sch, struct sch_function *f); /* it has one slot more */
void sch_unstaff(struct sch *sch, struct sch_function *f);
/* f waits for memory, or no longer does. */
void sch_hunger(struct sch *sch, struct sch_function *f, int64_t now_ns);
void sch_sate(struct sch *sch, struct sch_function *f);
bool sch_is_next(const struct sch *sch, const struct sch_function *f); /* nobody waits before it */
void sch_feed(struct sch *sch, int64_t now_ns); /* launches for those that wait */
/* Retires idle instances until that much will be free; f: for whom, or NULL. */
void sch_make_room(struct sch *sch, struct sch_function *f, int64_t bytes, int64_t now_ns);

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
