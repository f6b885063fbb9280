/* record.h: the record of a scheduler, which its files share. Data only. Calls go one way:
 *   scheduler | budget | slots, keepalive | queue, timers, actions | lists
 */
#ifndef SCHEDULER_RECORD_H
#define SCHEDULER_RECORD_H

#include "heap.h"
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
    struct sch_heap timers; /* of functions: timers.c */
    struct sch_slot *free_slots;
    uint64_t next_id;
    uint32_t cores;
    uint32_t busy;                       /* busy slots of all functions */
    uint64_t queued_calls, queued_bytes; /* waiting, or sent ahead */
    /* budget.c */
    int64_t used_bytes;    /* of all slots, and by sch_hold */
    int64_t leaving_bytes; /* of these: of retiring slots */
    int64_t kept_bytes;    /* reserved by `min`, of all functions */
    double clock;          /* of greedy-dual: the value of the last that was evicted */
    uint64_t evictions;
    struct sch_heap values; /* of functions with idle instances: budget.c */
    struct sch_function *with_slots;
    struct sch_function *memory_first, *memory_last; /* functions that wait for memory */
    struct sch_function *granting;                   /* the one that is just being launched for */
};

#endif
