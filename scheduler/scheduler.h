/* scheduler.h: who serves which call, and when instances come and go.
 *
 * Decisions only. It is told of events and answers with actions, which the
 * caller carries out; it knows no clock, no loop and no process. Time is what it
 * is told: nanoseconds of any monotonic clock, never going back.
 *
 * Calls are records of the caller's that it links into its queues; slots (one per
 * instance) are its own. One thread at a time: several loops share it under a lock.
 *
 * Lanes: a caller with several loops numbers them from 0. A call belongs to the lane
 * that it came in, and a slot to that of the calls which it runs; an idle one is
 * anybody's. An action is for the loop of its lane; instances are made and ended by
 * lane 0.
 */
#ifndef SCHEDULER_SCHEDULER_H
#define SCHEDULER_SCHEDULER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "settings.h"

struct sch;

/* Sending ahead. An instance runs one call at a time; a call may be sent to a busy
 * one where that is sooner than any other way:
 * - SCH_WAKE_NS: what waking an idle instance costs. A call goes behind work of up
 *   to that much rather than to an idle instance.
 * - SCH_AHEAD_NS, SCH_AHEAD_MAX: the work that may stand before a call, and how
 *   many calls, where no instance is idle.
 * - SCH_CROWDED_NS: the same while as many instances run as there are cores: one
 *   more would take turns with them, and serve nobody sooner.
 * - SCH_OVERDUE_NS: once the running call has taken so long, and far longer than
 *   the average, those behind it are taken back for others to run. */
#define SCH_WAKE_NS    INT64_C(70000)
#define SCH_AHEAD_NS   INT64_C(250000)
#define SCH_CROWDED_NS INT64_C(1000000)
#define SCH_AHEAD_MAX  96
#define SCH_OVERDUE_NS INT64_C(4000000)
/* How often in a row an instance goes from one lane to another, while calls wait,
 * before the function gets one more: at most one for each lane. */
#define SCH_HANDOVERS 16
/* The start of an instance, as long as none of the function was measured. */
#define SCH_START_NS INT64_C(5000000)
/* How long a function waits for memory before one that has several instances gives one. */
#define SCH_HUNGER_NS INT64_C(100000000)
/* idle_timeout "auto": how long an idle instance is kept where the function's history
 * says nothing, and at the least; and before it goes where one is made again in time. */
#define SCH_KEEP_NS       INT64_C(600000000000)
#define SCH_KEEP_LEAST_NS INT64_C(10000000000)
#define SCH_GRACE_NS      INT64_C(1000000000)

/* One list, and the names come from it. */
#define SCH_SLOT_STATES(X)                                                                         \
    X(STARTING, "starting")                                                                        \
    X(IDLE, "idle")                                                                                \
    X(BUSY, "busy")                                                                                \
    X(RETIRING, "retiring")

enum sch_slot_state {
#define X(name, text) SCH_SLOT_##name,
    SCH_SLOT_STATES(X)
#undef X
        SCH_SLOT_STATE_COUNT
};

const char *sch_slot_state_name(enum sch_slot_state state);

enum sch_call_state { SCH_CALL_OUT, SCH_CALL_WAITING, SCH_CALL_RUNNING };

struct sch_function;

/* Embedded in the caller's record of a call; zeroed before its first use. */
struct sch_call {
    struct sch_call *next, *prev; /* in a function's queue or a slot's list */
    struct sch_function *function;
    struct sch_slot *slot;
    enum sch_call_state state;
    uint8_t lane;   /* by the caller */
    bool cold;      /* it waited for an instance to be made */
    bool stackable; /* by the caller: whole and small, so it may be sent ahead */
    bool ahead;     /* it stands behind another one in its slot */
    int64_t arrived_ns, started_ns;
    uint64_t bytes;      /* by the caller: what it holds while it waits */
    int64_t expected_ns; /* the function's measured service time when it was sent; 0: none yet */
};

struct sch_call_list {
    struct sch_call *head, *tail;
    uint32_t count;
};

struct sch_slot {
    struct sch_slot *next, *prev; /* in the function's list of its state */
    struct sch_function *function;
    void *user; /* the caller's instance; set at SCH_LAUNCH */
    uint64_t id;
    enum sch_slot_state state;
    uint32_t generation;
    int64_t memory;            /* bytes: its limit, as counted in the budget */
    double value;              /* see budget.c */
    uint8_t lane;              /* of what it runs, or ran last */
    bool doomed;               /* to be retired after what it runs */
    struct sch_call_list runs; /* the head is the one that runs; the rest was sent ahead */
    uint64_t calls;            /* answered */
    int64_t since_ns;          /* in this state */
    int64_t head_since_ns;     /* when the head could begin to run */
    bool woken;                /* the head came while it was idle */
    bool recalling;            /* its calls sent ahead were asked back */
};

struct sch_slot_list {
    struct sch_slot *head, *tail;
    uint32_t count;
};

/* How long a function was idle between its calls: see keepalive.c. */
#define SCH_IDLE_BUCKETS 60
struct sch_idle_times {
    uint16_t total, beyond; /* of it: longer than the last bucket */
    uint16_t counts[SCH_IDLE_BUCKETS];
};

/* From when a function has become idle: an instance is made after prewarm_ns, where that
 * is not 0, and the last one goes after keep_ns. */
struct sch_keep {
    int64_t prewarm_ns, keep_ns;
};

/* Embedded in the caller's record of a function. */
struct sch_function {
    uint32_t heap_at; /* functions that time matters to: timers.c */
    int64_t due_ns;
    struct sch_function *staff_next, *staff_prev;   /* that have slots: budget.c */
    struct sch_function *hungry_next, *hungry_prev; /* that wait for memory */
    uint32_t slots_count;
    bool hungry;
    int64_t hungry_since_ns;
    int64_t kept_bytes; /* min * memory, as counted for all */
    uint32_t value_at;  /* in the heap of those with idle instances: budget.c */
    double value;
    struct sch_idle_times idle_times;
    int64_t idle_since_ns; /* no call since; 0: it has some, or never had */
    bool prewarmed;        /* for the call that is expected after that */
    struct sch_keep keep;
    struct sch_settings settings;
    uint32_t generation; /* slots of another one are retired when they can be */
    bool removed;        /* no new calls; slots end after what they run */
    struct sch_call_list waiting;
    uint32_t running; /* calls given to slots: those that run, and those sent ahead */
    struct sch_slot_list slots[SCH_SLOT_STATE_COUNT];
    int64_t service_ns;           /* moving average of a call's run; 0: none measured yet */
    int64_t start_ns;             /* likewise of an instance's start */
    int64_t no_stacking_until_ns; /* a call ran far longer than the average */
    uint32_t handovers;           /* see SCH_HANDOVERS */
};

enum sch_action_type {
    SCH_DISPATCH, /* send `call` to `slot` */
    SCH_LAUNCH,   /* make an instance for `slot`, of its function's generation */
    SCH_RECALL,   /* take `call`, sent ahead to `slot`, back if it has not begun; then say
                     sch_call_recalled; if it has begun, say nothing */
    SCH_RETIRE,   /* end the idle instance of `slot`; then say sch_slot_gone */
    SCH_REFUSE,   /* answer `call`: `reason` */
};

enum sch_reason {
    SCH_QUEUE_FULL,
    SCH_HOST_FULL, /* the calls of all functions that wait, or their bytes */
    SCH_QUEUE_TIMEOUT,
    SCH_LAUNCH_FAILED, /* the function could not be started */
    SCH_REMOVED,       /* the function was deleted while the call waited */
};

struct sch_action {
    enum sch_action_type type;
    enum sch_reason reason;
    struct sch_call *call;
    struct sch_slot *slot;
};

struct sch_config {
    uint32_t cores;        /* for instances; short calls are not spread over more */
    uint32_t lanes;        /* 1 to 64 */
    int64_t memory_budget; /* bytes: the limits of all instances together; 0: no bound */
    uint64_t queue_calls;  /* that wait or were sent ahead, of all functions; 0: no bound */
    uint64_t queue_bytes;  /* that they hold, likewise */
};

/* NULL with ENOMEM. Freed with nothing left in it. */
struct sch *sch_new(const struct sch_config *config);
void sch_free(struct sch *sch);

/* Takes the next action of a lane; false when there is none. To be called until then
 * after every event. An action refers to records that stay alive until it is carried
 * out. */
bool sch_next_action(struct sch *sch, uint32_t lane, struct sch_action *action);
/* One bit for each lane that has actions. */
uint64_t sch_lanes(const struct sch *sch);

/* The earliest time at which sch_tick has something to do; INT64_MAX for never. */
int64_t sch_wake_at(const struct sch *sch);
void sch_tick(struct sch *sch, int64_t now_ns);

/* ---- functions ---- */
void sch_function_init(struct sch_function *f, const struct sch_settings *settings);
/* New settings, checked already; generation: another version or other contents
 * of its instances, 0 for the same. */
void sch_function_change(struct sch *sch, struct sch_function *f,
                         const struct sch_settings *settings, uint32_t generation, int64_t now_ns);
/* Waiting calls are refused, idle slots retired, busy ones after their call. The
 * record may be freed once it has no slots (sch_function_empty). */
void sch_function_remove(struct sch *sch, struct sch_function *f, int64_t now_ns);
bool sch_function_empty(const struct sch_function *f);
/* Whether the instances that `min` keeps would fit the budget beside those of all other
 * functions; f: NULL for a new one. */
bool sch_fits(const struct sch *sch, const struct sch_function *f,
              const struct sch_settings *settings);
/* When to come again, for a call that was refused: how long the calls that wait will
 * take, as measured; 1 to 60 s. */
int sch_retry_after_s(const struct sch_function *f);
uint32_t sch_function_live(const struct sch_function *f); /* slots that are not retiring */

/* ---- calls ---- */
void sch_call_arrived(struct sch *sch, struct sch_function *f, struct sch_call *call,
                      int64_t now_ns);
/* A waiting call's client has gone: it leaves the queue. */
void sch_call_gone(struct sch *sch, struct sch_call *call, int64_t now_ns);
/* The call that ran first in its slot was answered. */
void sch_call_done(struct sch *sch, struct sch_call *call, int64_t now_ns);
/* A call that was sent ahead has been taken back: it waits again, in its place. It may be the
 * first of its slot by now, where that is to end and its instance begins none any more. */
void sch_call_recalled(struct sch *sch, struct sch_call *call, int64_t now_ns);
/* The call that ran first in its slot was answered because the instance is dead
 * or about to be: the slot waits for sch_slot_gone. */
void sch_call_lost(struct sch *sch, struct sch_call *call);

/* ---- memory ---- */

/* Counts an instance of the caller's own. False: there is no room now, and idle
 * instances are on their way out; to be tried again. */
bool sch_hold(struct sch *sch, int64_t bytes, int64_t now_ns);
void sch_release(struct sch *sch, int64_t bytes, int64_t now_ns);
int64_t sch_used_bytes(const struct sch *sch);
uint64_t sch_evictions(const struct sch *sch);

/* ---- slots ---- */
void sch_slot_ready(struct sch *sch, struct sch_slot *slot, int64_t now_ns);
/* Puts an instance that the caller started on its own (to check a deploy), and holds
 * memory for, in the pool, and makes its generation the function's. NULL with ENOMEM:
 * the memory stays held. */
struct sch_slot *sch_slot_adopt(struct sch *sch, struct sch_function *f, void *user,
                                uint32_t generation, int64_t memory, int64_t now_ns);
/* Its limit has been lowered to that, for good. */
void sch_slot_shrunk(struct sch *sch, struct sch_slot *slot, int64_t memory, int64_t now_ns);
/* No further call for this slot: retired as soon as it is idle. What was sent ahead to it
 * is asked back (SCH_RECALL). The only way to end a slot: whoever is about to kill its
 * instance says so first, and kills once those actions are carried out. */
void sch_slot_doom(struct sch *sch, struct sch_slot *slot, int64_t now_ns);
/* The instance is gone, whatever its state; the slot is freed. The call that ran
 * first in it is the caller's to answer, after sch_call_lost; all others wait again.
 * could_not_start: it never got ready. */
void sch_slot_gone(struct sch *sch, struct sch_slot *slot, bool could_not_start, int64_t now_ns);

#endif
