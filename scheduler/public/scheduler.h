/* scheduler.h: which instance serves which call, and when instances are made and ended.
 *
 * Decisions only. The caller reports events and carries out the actions that follow. The scheduler
 * has no clock, no loop and no process. The caller passes the time: nanoseconds of any monotonic
 * clock.
 *
 * Calls are records of the caller, linked into queues here; slots (one for each instance) belong to
 * the scheduler. One thread at a time: several loops share it under a lock.
 *
 * Lanes: a caller with several loops numbers them from 0. A call belongs to the lane in which it
 * came, a slot to the lane of the calls that it runs; an idle slot can go to any lane. An action is
 * for the loop of its lane. Lane 0 makes and ends instances.
 */
#ifndef SCHEDULER_SCHEDULER_H
#define SCHEDULER_SCHEDULER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "settings.h"

struct sch;

/* Sending ahead. An instance runs one call at a time. A call is sent to a busy instance if it is
 * served sooner there:
 * - SCH_WAKE_NS: the cost of waking an idle instance. A call goes behind work of up to this much
 *   rather than to an idle instance.
 * - SCH_AHEAD_NS, SCH_AHEAD_MAX: the work, and the number of calls, that may be before a call if no
 *   instance is idle.
 * - SCH_CROWDED_NS: in place of SCH_WAKE_NS while as many instances run as there are cores: one
 * more would share the cores with them, and serve no call sooner.
 * - SCH_OVERDUE_NS: if the running call has taken this long, and far longer than the average, the
 *   calls behind it are recalled, for other instances. */
#define SCH_WAKE_NS    INT64_C(70000)
#define SCH_AHEAD_NS   INT64_C(250000)
#define SCH_CROWDED_NS INT64_C(1000000)
#define SCH_AHEAD_MAX  96
#define SCH_OVERDUE_NS INT64_C(4000000)
/* How often in a row an instance goes from one lane to another, while calls wait,
 * before the function gets one more: at most one for each lane. */
#define SCH_HANDOVERS 16
/* The time that an instance takes to start, until one of the function was measured. */
#define SCH_START_NS INT64_C(5000000)
/* How long a function without an instance waits for memory before a function with several has to
 * give up one. */
#define SCH_MEMORY_WAIT_NS INT64_C(100000000)
/* idle_timeout "auto": how long an idle instance is kept if the history shows no pattern; at least;
 * and if a new one will be made before the next call. */
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

/* Why an instance ended: one list, and the names come from it. From MEMORY_EXCEEDED on, the
 * scheduler does not use them: they are for the caller. */
#define SCH_ENDS(X)                                                                                \
    X(IDLE, "idle", "it was idle for idle_timeout")                                                \
    X(SURPLUS, "surplus", "there were more than max, or a fork of a template takes its place")     \
    X(EVICTED, "evicted", "it was idle, and another function needed its memory")                   \
    X(RECYCLED_CALLS, "recycled_calls", "it had served recycle_calls")                             \
    X(RECYCLED_MEMORY, "recycled_memory", "it used more than recycle_memory after a call")         \
    X(LIMIT_CHANGED, "limit_changed", "a setting or limit changed that it could not take over")    \
    X(DEPLOYED, "deployed", "another version is live")                                             \
    X(DELETED, "deleted", "the function was deleted")                                              \
    X(TIMEOUT, "timeout", "a call ran past its timeout")                                           \
    X(CRASHED, "crashed", "it died of a signal, or exited")                                        \
    X(FORBIDDEN_SYSCALL, "forbidden_syscall", "it made a deadly system call")                      \
    X(MEMORY_EXCEEDED, "memory_exceeded",                                                          \
      "the kernel killed it at its limit, or in a full budget")                                    \
    X(HOST_MEMORY, "host_memory", "it was killed because the host had no memory")                  \
    X(BROKE_PROTOCOL, "broke_protocol", "it sent what no worker sends")                            \
    X(DRAINING, "draining", "the daemon stopped")

enum sch_end {
    SCH_END_NONE, /* it has not ended */
#define X(name, text, why) SCH_END_##name,
    SCH_ENDS(X)
#undef X
        SCH_END_COUNT
};

const char *sch_end_name(enum sch_end end);
/* What it means, for the documents. */
const char *sch_end_text(enum sch_end end);

enum sch_call_state { SCH_CALL_OUT, SCH_CALL_WAITING, SCH_CALL_RUNNING };

struct sch_function;

/* Embedded in the caller's record of a call; zeroed before its first use. */
struct sch_call {
    struct sch_call *next, *prev; /* in a function's queue or a slot's list */
    struct sch_function *function;
    struct sch_slot *slot;
    enum sch_call_state state;
    uint8_t lane;   /* by the caller */
    bool cold;      /* it waited for a new instance */
    bool stackable; /* by the caller: complete and small, so it may be sent ahead */
    bool ahead;     /* another call is before it in its slot */
    int64_t arrived_ns, started_ns;
    uint64_t bytes;      /* by the caller: memory that it uses while it waits */
    int64_t expected_ns; /* the function's measured service time when it was sent; 0: none yet */
};

struct sch_call_list {
    struct sch_call *head, *tail;
    uint32_t count;
};

struct sch_slot {
    struct sch_slot *next, *prev; /* in the function's list of its state */
    struct sch_function *function;
    void *user;  /* the caller's instance; set at SCH_LAUNCH */
    uint64_t id; /* 0: it has gone */
    enum sch_slot_state state;
    uint32_t generation;
    int64_t memory;            /* bytes: its limit, as counted in the budget */
    double value;              /* see budget.c */
    uint8_t lane;              /* of the calls that it runs or ran last */
    bool doomed;               /* to be retired after its call */
    enum sch_end why;          /* it is retired, or will be; the first reason is kept */
    struct sch_call_list runs; /* the head runs; the others were sent ahead */
    uint64_t calls;            /* answered */
    int64_t since_ns;          /* in this state */
    int64_t head_since_ns;     /* when the head could begin to run */
    bool woken;                /* the head came while it was idle */
    bool recalling;            /* the calls sent ahead are being recalled */
    bool pausing, paused;      /* see sch_slot_pause; a paused one is in the state STARTING */
};

struct sch_slot_list {
    struct sch_slot *head, *tail;
    uint32_t count;
};

/* A place in a heap: see heap.h. */
struct sch_heap_node {
    uint32_t at; /* + 1; 0: it is in none */
};

/* How long a function was idle between its calls: see keepalive.c. */
#define SCH_IDLE_BUCKETS 60
struct sch_idle_times {
    uint16_t total, beyond; /* of these: longer than the last bucket */
    uint16_t counts[SCH_IDLE_BUCKETS];
};

/* Times after a function has become idle: an instance is made after prewarm_ns, if that is not 0;
 * the last instance is retired after keep_ns. */
struct sch_keep {
    int64_t prewarm_ns, keep_ns;
};

/* Embedded in the caller's record of a function. */
struct sch_function {
    struct sch_heap_node timer; /* see timers.c */
    int64_t due_ns;
    struct sch_function *with_slots_next, *with_slots_prev; /* functions with slots: budget.c */
    struct sch_function *memory_next, *memory_prev;         /* functions that wait for memory */
    uint32_t slots_count;
    bool waits_for_memory;
    int64_t memory_wait_since_ns;
    int64_t kept_bytes;         /* min * memory, as counted for all */
    struct sch_heap_node worth; /* functions with idle instances: budget.c */
    double value;
    struct sch_idle_times idle_times;
    int64_t idle_since_ns; /* no call since then; 0: it has calls, or never had one */
    bool prewarmed;        /* for the call that is expected next */
    struct sch_keep keep;
    struct sch_settings settings;
    uint32_t generation; /* slots of another one are retired when idle */
    bool removed;        /* no new calls; slots end after their calls */
    struct sch_call_list waiting;
    uint32_t running; /* calls in slots: running, and sent ahead */
    struct sch_slot_list slots[SCH_SLOT_STATE_COUNT];
    int64_t service_ns;           /* moving average of a call's run; 0: none measured yet */
    int64_t start_ns;             /* moving average of an instance's start; 0: none measured yet */
    int64_t no_stacking_until_ns; /* a call ran far longer than the average */
    uint32_t handovers;           /* see SCH_HANDOVERS */
};

enum sch_action_type {
    SCH_DISPATCH, /* send `call` to `slot` */
    SCH_LAUNCH,   /* make an instance for `slot`, of the generation of its function */
    SCH_RECALL,   /* recall `call`, which was sent ahead to `slot`. If it had not begun, call
                     sch_call_recalled; if it had, do nothing */
    SCH_RETIRE,   /* end the idle instance of `slot`, for slot->why, then call sch_slot_gone */
    SCH_PAUSED,   /* the instance of `slot` runs no call, and gets none until sch_slot_resume */
    SCH_REFUSE,   /* answer `call` with the error `reason` */
};

enum sch_reason {
    SCH_QUEUE_FULL,
    SCH_HOST_FULL, /* too many calls of all functions wait, or too many bytes */
    SCH_QUEUE_TIMEOUT,
    SCH_LAUNCH_FAILED, /* the function cannot start */
    SCH_REMOVED,       /* the function was deleted while the call waited */
};

struct sch_action {
    enum sch_action_type type;
    enum sch_reason reason;
    struct sch_call *call;
    struct sch_slot *slot;
    uint64_t slot_id; /* by the scheduler: an action about a slot that has gone is not given out */
};

struct sch_config {
    uint32_t cores;        /* for instances: with as many busy, short calls are sent ahead */
    uint32_t lanes;        /* 1 to 64 */
    int64_t memory_budget; /* bytes: the sum of the limits of all instances; 0: no bound */
    uint64_t queue_calls;  /* waiting or sent ahead, of all functions; 0: no bound */
    uint64_t queue_bytes;  /* of these calls; 0: no bound */
};

/* NULL with ENOMEM. */
struct sch *sch_new(const struct sch_config *config);
/* All functions must have been removed, and their slots gone. */
void sch_free(struct sch *sch);

/* Takes the next action of a lane; false if there is none. The caller calls it after each event,
 * until it returns false. The records of an action must exist until it is carried out. */
bool sch_next_action(struct sch *sch, uint32_t lane, struct sch_action *action);
/* One bit for each lane that has actions. */
uint64_t sch_lanes(const struct sch *sch);

/* The earliest time at which sch_tick has something to do; INT64_MAX for never. */
int64_t sch_wake_at(const struct sch *sch);
void sch_tick(struct sch *sch, int64_t now_ns);

/* ---- functions ---- */
void sch_function_init(struct sch_function *f, const struct sch_settings *settings);
/* New settings, already checked. generation: that of new instances, if they run another version or
 * with another environment; 0: unchanged. */
void sch_function_change(struct sch *sch, struct sch_function *f,
                         const struct sch_settings *settings, uint32_t generation, int64_t now_ns);
/* Refuses waiting calls and retires the slots: idle ones now, busy ones after their call. The
 * record may be freed once it has no slots (sch_function_empty). */
void sch_function_remove(struct sch *sch, struct sch_function *f, int64_t now_ns);
bool sch_function_empty(const struct sch_function *f);
/* Whether the instances that `min` keeps would fit in the budget together with those of all other
 * functions. f: NULL for a new function. */
bool sch_fits(const struct sch *sch, const struct sch_function *f,
              const struct sch_settings *settings);
/* For a call that was refused: when to try again, from how long the waiting calls will take; 1 to
 * 60 s. */
int sch_retry_after_s(const struct sch_function *f);
/* Slots that are not retiring. */
static inline uint32_t
sch_function_live(const struct sch_function *f)
{
    return f->slots[SCH_SLOT_STARTING].count + f->slots[SCH_SLOT_IDLE].count +
           f->slots[SCH_SLOT_BUSY].count;
}

/* ---- calls ---- */
void sch_call_arrived(struct sch *sch, struct sch_function *f, struct sch_call *call,
                      int64_t now_ns);
/* The client of a waiting call has gone: the call leaves the queue. */
void sch_call_gone(struct sch *sch, struct sch_call *call, int64_t now_ns);
/* The first call of its slot was answered. */
void sch_call_done(struct sch *sch, struct sch_call *call, int64_t now_ns);
/* A call that was sent ahead has been recalled: it waits again, at its place by arrival. It may be
 * the first of its slot now, if the slot is to end and its instance begins no more calls. */
void sch_call_recalled(struct sch *sch, struct sch_call *call, int64_t now_ns);
/* The first call of its slot was answered with an error, because the instance is dead or is being
 * killed: the slot waits for sch_slot_gone. */
void sch_call_lost(struct sch *sch, struct sch_call *call);

/* ---- memory ---- */

/* Counts memory of an instance that the caller starts itself. False: there is not enough now; idle
 * instances are being retired, and the caller is to try again. */
bool sch_hold(struct sch *sch, int64_t bytes, int64_t now_ns);
void sch_release(struct sch *sch, int64_t bytes, int64_t now_ns);
int64_t sch_used_bytes(const struct sch *sch);
uint64_t sch_evictions(const struct sch *sch);

/* ---- slots ---- */
void sch_slot_ready(struct sch *sch, struct sch_slot *slot, int64_t now_ns);
/* Makes a slot for an instance that the caller started itself, to check a deploy, with memory from
 * sch_hold; its generation becomes that of the function. NULL with ENOMEM: the memory stays held.
 */
struct sch_slot *sch_slot_adopt(struct sch *sch, struct sch_function *f, void *user,
                                uint32_t generation, int64_t memory, int64_t now_ns);
/* The limit of the instance has been lowered. */
void sch_slot_shrunk(struct sch *sch, struct sch_slot *slot, int64_t memory, int64_t now_ns);
/* The slot gets no more calls, and is retired once it is idle. Calls sent ahead are recalled
 * (SCH_RECALL). This is the only way to end a slot: before the caller kills an instance, it calls
 * this and carries out the actions. */
void sch_slot_doom(struct sch *sch, struct sch_slot *slot, enum sch_end why, int64_t now_ns);
/* The caller wants to change something between two calls: SCH_PAUSED follows once the slot has no
 * call, unless it ends first. Until sch_slot_resume, calls wait or go elsewhere, as for an instance
 * that starts. Nothing happens if it is to end anyway. */
void sch_slot_pause(struct sch *sch, struct sch_slot *slot, int64_t now_ns);
void sch_slot_resume(struct sch *sch, struct sch_slot *slot, int64_t now_ns);
/* The instance has ended, in any state; the slot is freed. The caller answers the first call, after
 * sch_call_lost; all others wait again. could_not_start: it was never ready. */
void sch_slot_gone(struct sch *sch, struct sch_slot *slot, bool could_not_start, int64_t now_ns);

#endif
