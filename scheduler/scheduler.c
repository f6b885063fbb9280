/* scheduler.c: events in, actions out.
 * Pure: no clock, no loop, no process; allocates only slots and the lists of the record.
 * Invariants: a slot that is BUSY has exactly one call that it answers first; a
 * function never has more than max slots that are not retiring; its waiting calls
 * are served in the order in which they came.
 */
#include "scheduler.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "actions.h"
#include "budget.h"
#include "keepalive.h"
#include "lists.h"
#include "queue.h"
#include "slots.h"
#include "timers.h"

#define MS INT64_C(1000000)

/* Its memory is counted already. */
static struct sch_slot *
new_slot(struct sch *sch, struct sch_function *f, enum sch_slot_state state, int64_t memory,
         int64_t now_ns)
{
    struct sch_slot *slot = sch->free_slots;

    if (slot != NULL)
        sch->free_slots = slot->next;
    else if ((slot = malloc(sizeof *slot)) == NULL)
        return NULL;
    *slot = (struct sch_slot){.function = f,
                              .id = ++sch->next_id,
                              .state = state,
                              .generation = f->generation,
                              .memory = memory,
                              .since_ns = now_ns};
    sch_slots_push(&f->slots[state], slot);
    sch_slot_added(sch, f);
    return slot;
}

/* ---- decisions ---- */

static bool
outdated(const struct sch_slot *slot)
{
    const struct sch_function *f = slot->function;

    return f->removed || slot->doomed || slot->generation != f->generation;
}

/* If it has no reason of its own to end. */
static enum sch_end
why_outdated(const struct sch_slot *slot)
{
    return slot->function->removed ? SCH_END_DELETED : SCH_END_DEPLOYED;
}

/* How long a call may run before those behind it are recalled. */
static int64_t
overdue_after(const struct sch_function *f)
{
    int64_t usual = 20 * f->service_ns;

    return usual > SCH_OVERDUE_NS ? usual : SCH_OVERDUE_NS;
}

/* recycle_calls is exact: no call is sent ahead behind the last one. */
static bool
last_before_recycling(const struct sch_slot *slot)
{
    int64_t most = slot->function->settings.recycle_calls;

    return most > 0 && slot->calls + slot->runs.count >= (uint64_t)most;
}

/* False if there is no memory now: then the function waits for memory. */
static bool
launch(struct sch *sch, struct sch_function *f, int64_t now_ns)
{
    int64_t memory = f->settings.memory;
    struct sch_slot *slot;

    if (!sch_memory_fits(sch, memory) || !sch_memory_is_next(sch, f)) {
        sch_memory_wait(sch, f, now_ns);
        return false;
    }
    slot = new_slot(sch, f, SCH_SLOT_STARTING, memory, now_ns);
    if (slot == NULL)
        return false; /* the next event tries again */
    sch->used_bytes += memory;
    sch_act(sch, (struct sch_action){.type = SCH_LAUNCH, .slot = slot});
    return true;
}

/* ---- to a slot ---- */

static void
dispatch(struct sch *sch, struct sch_slot *slot, struct sch_call *call, int64_t now_ns)
{
    assert(!slot->doomed);
    sch_give(sch, slot, call);
    call->started_ns = now_ns;
    call->expected_ns = slot->function->service_ns;
    if (slot->state == SCH_SLOT_IDLE) {
        if (slot->lane != call->lane && slot->calls > 0)
            slot->function->handovers++;
        slot->lane = call->lane;
        slot->head_since_ns = now_ns;
        slot->woken = true;
        sch_slot_enter(sch, slot, SCH_SLOT_BUSY, now_ns);
    } else {
        sch_wake_by(sch, slot->function, slot->head_since_ns + overdue_after(slot->function));
    }
    sch_act(sch, (struct sch_action){.type = SCH_DISPATCH, .call = call, .slot = slot});
}

/* Whether this call may be sent behind those of a busy slot, if they need at most work_ns. */
static bool
takes_ahead(const struct sch_slot *slot, const struct sch_call *call, int64_t work_ns,
            int64_t now_ns)
{
    const struct sch_function *f = slot->function;

    return slot->lane == call->lane && !outdated(slot) && !slot->recalling && !slot->pausing &&
           slot->runs.count < SCH_AHEAD_MAX && slot->runs.head->stackable &&
           slot->runs.count * f->service_ns <= work_ns &&
           now_ns - slot->head_since_ns < overdue_after(f) / 2 && !last_before_recycling(slot);
}

static bool
may_stack(const struct sch_function *f, const struct sch_call *call, int64_t now_ns)
{
    return call->stackable && f->service_ns > 0 && now_ns >= f->no_stacking_until_ns;
}

/* The first slot of this lane; the first of all if there is none. */
static struct sch_slot *
of_lane(const struct sch_slot_list *list, uint8_t lane)
{
    for (struct sch_slot *slot = list->head; slot != NULL; slot = slot->next)
        if (slot->lane == lane)
            return slot;
    return list->head;
}

/* The slot that serves the call soonest; NULL if it has to wait. First the busy slot that was used
 * last, if its calls need less time than a wake-up, or if each core runs an instance already; then
 * an idle slot; then the busy slot with the fewest calls. */
static struct sch_slot *
choose_slot(const struct sch *sch, struct sch_function *f, const struct sch_call *call,
            int64_t now_ns)
{
    struct sch_slot *idle = of_lane(&f->slots[SCH_SLOT_IDLE], call->lane);
    struct sch_slot *busy = of_lane(&f->slots[SCH_SLOT_BUSY], call->lane), *best = NULL;
    bool may = may_stack(f, call, now_ns);
    int64_t soon_ns = sch->busy >= sch->cores ? SCH_CROWDED_NS : SCH_WAKE_NS;

    if (may && busy != NULL && takes_ahead(busy, call, soon_ns, now_ns))
        return busy;
    if (idle != NULL || !may)
        return idle;
    for (; busy != NULL; busy = busy->next)
        if (takes_ahead(busy, call, SCH_AHEAD_NS, now_ns) &&
            (best == NULL || busy->runs.count < best->runs.count))
            best = busy;
    return best;
}

/* Instances to make for the calls that wait. Short calls do not justify one: if the queue moves
 * faster than an instance starts, they wait. Until the first call was measured, one instance is
 * made, and more once the first call has waited as long as a start takes. */
static uint32_t
wanted_for_waiting(struct sch *sch, struct sch_function *f, int64_t now_ns)
{
    uint32_t starting = f->slots[SCH_SLOT_STARTING].count;
    uint32_t serving = f->slots[SCH_SLOT_BUSY].count;
    int64_t start_ns = f->start_ns > 0 ? f->start_ns : SCH_START_NS;
    int64_t wait_ns, needed;

    if (f->waiting.count <= starting || f->waiting.head == NULL)
        return 0;
    if (f->handovers >= SCH_HANDOVERS && sch_function_live(f) < sch->lanes) {
        f->handovers = 0;
        return 1;
    }
    if (starting + serving == 0 && f->service_ns == 0)
        return 1;
    if (serving == 0)
        start_ns *= 4; /* the one that starts may take longer than usual */
    wait_ns = (int64_t)f->waiting.count * f->service_ns / (starting + serving + 1);
    if (starting + serving == 0 && wait_ns < start_ns)
        return 1;
    if (wait_ns < start_ns && now_ns - f->waiting.head->arrived_ns < start_ns) {
        sch_wake_by(sch, f, f->waiting.head->arrived_ns + start_ns);
        return 0;
    }
    /* as many as empty the queue in the time that a start takes */
    needed = (int64_t)f->waiting.count * f->service_ns / start_ns + 1;
    if (f->service_ns == 0 || needed > f->waiting.count)
        needed = f->waiting.count;
    return needed > starting ? (uint32_t)needed - starting : 0;
}

/* A slot that has just come to a lane also gets the other calls that wait in that lane, as many as
 * may be sent ahead: otherwise lanes that share an instance would pass it on after each call. */
static void
take_lane_along(struct sch *sch, struct sch_slot *slot, int64_t now_ns)
{
    struct sch_function *f = slot->function;

    for (struct sch_call *call = f->waiting.head, *next; call != NULL; call = next) {
        next = call->next;
        if (call->lane != slot->lane)
            continue;
        if (!may_stack(f, call, now_ns) || !takes_ahead(slot, call, SCH_AHEAD_NS, now_ns))
            return;
        sch_stop_waiting(sch, call);
        dispatch(sch, slot, call, now_ns);
    }
}

/* Gives slots to waiting calls. Makes as many instances as the calls that still wait need, and as
 * `min` requires. */
static void
assign_calls(struct sch *sch, struct sch_function *f, int64_t now_ns)
{
    struct sch_slot *slot;
    uint32_t wanted;

    while (f->waiting.head != NULL &&
           (slot = choose_slot(sch, f, f->waiting.head, now_ns)) != NULL) {
        struct sch_call *call = f->waiting.head;
        bool was_idle = slot->state == SCH_SLOT_IDLE;

        sch_stop_waiting(sch, call);
        dispatch(sch, slot, call, now_ns);
        if (was_idle && sch->lanes > 1)
            take_lane_along(sch, slot, now_ns);
    }
    if (f->removed)
        return;
    wanted = wanted_for_waiting(sch, f, now_ns);
    if (sch_function_live(f) + wanted < (uint64_t)f->settings.min)
        wanted = (uint32_t)f->settings.min - sch_function_live(f);
    if (wanted == 0)
        sch_memory_wait_end(sch, f);
    while (wanted-- > 0 && sch_function_live(f) < (uint64_t)f->settings.max)
        if (!launch(sch, f, now_ns))
            break;
    for (struct sch_call *c = f->waiting.head; c != NULL && !c->cold; c = c->next)
        c->cold = f->slots[SCH_SLOT_STARTING].count > 0;
}

/* Memory was given back: launches for the functions that wait for it, in their order, so that
 * small ones do not pass a large one again and again. */
static void
grant_memory(struct sch *sch, int64_t now_ns)
{
    struct sch_function *f;

    if (sch->granting != NULL)
        return; /* called from the loop below, which goes on */
    while ((f = sch->memory_first) != NULL && sch_memory_fits(sch, f->settings.memory)) {
        sch->granting = f;
        sch_memory_wait_end(sch, f);
        assign_calls(sch, f, now_ns); /* may put it at the end of the line again */
        sch->granting = NULL;
    }
    if (f != NULL)
        sch_memory_reclaim(sch, f, f->settings.memory, now_ns);
}

void
sch_release(struct sch *sch, int64_t bytes, int64_t now_ns)
{
    sch->used_bytes -= bytes;
    grant_memory(sch, now_ns);
}

/* ---- keep-alive ---- */

static void
begin_idleness(struct sch_function *f, int64_t now_ns)
{
    f->idle_since_ns = now_ns;
    f->prewarmed = false;
    if (f->settings.idle_timeout_ms == SCH_AUTO)
        f->keep = sch_keep_plan(&f->idle_times);
}

/* When an idle slot is retired, if no call comes. */
static int64_t
expiry(const struct sch_slot *slot)
{
    const struct sch_function *f = slot->function;

    if (f->settings.idle_timeout_ms != SCH_AUTO)
        return slot->since_ns + f->settings.idle_timeout_ms * MS;
    if (f->keep.prewarm_ns == 0 || f->idle_since_ns == 0)
        return slot->since_ns + (f->keep.keep_ns > 0 ? f->keep.keep_ns : SCH_KEEP_NS);
    if (slot->calls > 0)
        return slot->since_ns + SCH_GRACE_NS;
    return f->idle_since_ns + f->keep.keep_ns; /* it was made before the expected call */
}

/* Makes the instance for the next expected call, if that evicts no other one. */
static void
prewarm(struct sch *sch, struct sch_function *f, int64_t now_ns)
{
    int64_t at_ns = f->idle_since_ns + f->keep.prewarm_ns;

    if (f->settings.idle_timeout_ms != SCH_AUTO || f->idle_since_ns == 0 ||
        f->keep.prewarm_ns == 0 || f->prewarmed)
        return;
    if (now_ns < at_ns) {
        sch_wake_by(sch, f, at_ns);
        return;
    }
    f->prewarmed = true;
    if (sch_function_live(f) == 0 && sch_memory_fits(sch, f->settings.memory))
        (void)launch(sch, f, now_ns);
}

static void
pause_slot(struct sch *sch, struct sch_slot *slot, int64_t now_ns)
{
    slot->pausing = false;
    slot->paused = true;
    if (slot->state != SCH_SLOT_STARTING)
        sch_slot_enter(sch, slot, SCH_SLOT_STARTING, now_ns);
    sch_act(sch, (struct sch_action){.type = SCH_PAUSED, .slot = slot});
}

/* A slot without a call gets the next call, becomes idle, or is retired. */
static void
settle(struct sch *sch, struct sch_slot *slot, int64_t now_ns)
{
    struct sch_function *f = slot->function;

    if (outdated(slot)) {
        sch_slot_retire(sch, slot, why_outdated(slot), now_ns);
        assign_calls(sch, f, now_ns);
        return;
    }
    if (slot->pausing) {
        pause_slot(sch, slot, now_ns);
        assign_calls(sch, f, now_ns);
        return;
    }
    if (slot->state != SCH_SLOT_IDLE)
        sch_slot_enter(sch, slot, SCH_SLOT_IDLE, now_ns);
    sch_slot_value(sch, slot);
    if (f->waiting.head == NULL)
        f->handovers = 0;
    assign_calls(sch, f, now_ns);
    if (slot->state != SCH_SLOT_IDLE)
        return;
    if (f->slots[SCH_SLOT_BUSY].count == 0 && slot->calls > 0 && f->idle_since_ns == 0)
        begin_idleness(f, now_ns);
    sch_wake_by(sch, f, expiry(slot));
    if (sch->memory_first != NULL)
        sch_memory_reclaim(sch, sch->memory_first, sch->memory_first->settings.memory, now_ns);
}

static void
refuse(struct sch *sch, struct sch_call *call, enum sch_reason reason)
{
    call->state = SCH_CALL_OUT;
    sch_act(sch, (struct sch_action){.type = SCH_REFUSE, .reason = reason, .call = call});
}

static void
refuse_all(struct sch *sch, struct sch_function *f, enum sch_reason reason)
{
    while (f->waiting.head != NULL) {
        struct sch_call *call = f->waiting.head;

        sch_stop_waiting(sch, call);
        refuse(sch, call, reason);
    }
}

/* ---- functions ---- */

void
sch_function_init(struct sch_function *f, const struct sch_settings *settings)
{
    memset(f, 0, sizeof *f);
    f->settings = *settings;
    f->generation = 1;
}

/* The memory that `min` reserves. */
static void
count_kept(struct sch *sch, struct sch_function *f)
{
    sch->kept_bytes -= f->kept_bytes;
    f->kept_bytes = f->removed ? 0 : f->settings.min * f->settings.memory;
    sch->kept_bytes += f->kept_bytes;
}

/* A new limit: a slot that grows is counted at once; if there is no memory, it ends after its call.
 * A slot that shrinks is counted when it has shrunk (sch_slot_shrunk). */
static void
resize(struct sch *sch, struct sch_function *f, int64_t now_ns)
{
    static const enum sch_slot_state states[] = {SCH_SLOT_BUSY, SCH_SLOT_STARTING, SCH_SLOT_IDLE};

    for (size_t i = 0; i < sizeof states / sizeof states[0]; i++)
        for (struct sch_slot *slot = f->slots[states[i]].head; slot != NULL; slot = slot->next) {
            int64_t more = f->settings.memory - slot->memory;

            if (more <= 0)
                continue;
            if (!sch_memory_fits(sch, more))
                sch_memory_reclaim(sch, f, more, now_ns);
            if (!sch_memory_fits(sch, more)) {
                /* an idle one is retired by the caller */
                sch_slot_close(sch, slot, SCH_END_LIMIT_CHANGED);
                continue;
            }
            slot->memory += more;
            sch->used_bytes += more;
        }
}

void
sch_slot_shrunk(struct sch *sch, struct sch_slot *slot, int64_t memory, int64_t now_ns)
{
    int64_t less = slot->memory - memory;

    if (less <= 0)
        return;
    slot->memory = memory;
    if (slot->state == SCH_SLOT_RETIRING)
        sch->leaving_bytes -= less;
    sch_release(sch, less, now_ns);
}

void
sch_function_change(struct sch *sch, struct sch_function *f, const struct sch_settings *settings,
                    uint32_t generation, int64_t now_ns)
{
    f->settings = *settings;
    if (generation != 0)
        f->generation = generation;
    count_kept(sch, f);
    resize(sch, f, now_ns);
    for (struct sch_slot *slot = f->slots[SCH_SLOT_IDLE].head, *next; slot != NULL; slot = next) {
        next = slot->next;
        if (outdated(slot))
            sch_slot_retire(sch, slot, why_outdated(slot), now_ns);
    }
    while (sch_function_live(f) > (uint64_t)settings->max && f->slots[SCH_SLOT_IDLE].tail != NULL)
        sch_slot_retire(sch, f->slots[SCH_SLOT_IDLE].tail, SCH_END_SURPLUS, now_ns);
    assign_calls(sch, f, now_ns);
    sch_wake_by(sch, f, now_ns); /* timeouts may be shorter now: sch_tick looks at all */
}

void
sch_function_remove(struct sch *sch, struct sch_function *f, int64_t now_ns)
{
    f->removed = true;
    refuse_all(sch, f, SCH_REMOVED);
    while (f->slots[SCH_SLOT_IDLE].head != NULL)
        sch_slot_retire(sch, f->slots[SCH_SLOT_IDLE].head, SCH_END_DELETED, now_ns);
    count_kept(sch, f);
    sch_memory_wait_end(sch, f);
    sch_forget_time(sch, f);
}

bool
sch_function_empty(const struct sch_function *f)
{
    return sch_function_live(f) == 0 && f->slots[SCH_SLOT_RETIRING].count == 0;
}

/* ---- calls ---- */

/* Back into the queue, at its place by arrival: this keeps the order and the timeouts. */
static void
wait_again(struct sch *sch, struct sch_function *f, struct sch_call *call)
{
    struct sch_call *after = f->waiting.head;

    while (after != NULL && after->arrived_ns <= call->arrived_ns)
        after = after->next;
    sch_wait_before(sch, f, after, call);
    sch_wake_by(sch, f, call->arrived_ns + f->settings.queue_timeout_ms * MS);
}

int
sch_retry_after_s(const struct sch_function *f)
{
    int64_t serving = f->slots[SCH_SLOT_BUSY].count + f->slots[SCH_SLOT_STARTING].count;
    int64_t wait_ns = f->waiting.count * f->service_ns / (serving > 0 ? serving : 1);
    int64_t wait_s = wait_ns / (1000 * MS) + 1;

    return wait_s < 60 ? (int)wait_s : 60;
}

/* A call comes: the function is no longer idle. */
static void
end_idleness(struct sch_function *f, int64_t now_ns)
{
    if (f->idle_since_ns != 0)
        sch_idle_record(&f->idle_times, now_ns - f->idle_since_ns);
    f->idle_since_ns = 0;
}

void
sch_call_arrived(struct sch *sch, struct sch_function *f, struct sch_call *call, int64_t now_ns)
{
    struct sch_slot *slot;

    assert(call->state == SCH_CALL_OUT);
    call->function = f;
    call->slot = NULL;
    call->cold = false;
    call->arrived_ns = now_ns;
    if (f->removed) {
        refuse(sch, call, SCH_REMOVED);
        return;
    }
    end_idleness(f, now_ns);
    if (sch_queue_is_full(f)) {
        refuse(sch, call, SCH_QUEUE_FULL);
        return;
    }
    slot = f->waiting.head == NULL ? choose_slot(sch, f, call, now_ns) : NULL;
    if ((slot == NULL || slot->state == SCH_SLOT_BUSY) && sch_host_is_full(sch, call)) {
        refuse(sch, call, SCH_HOST_FULL);
        return;
    }
    if (slot != NULL) {
        dispatch(sch, slot, call, now_ns);
        return;
    }
    sch_wait_before(sch, f, NULL, call);
    assign_calls(sch, f, now_ns);
    if (call->state == SCH_CALL_WAITING)
        sch_wake_by(sch, f, now_ns + f->settings.queue_timeout_ms * MS);
}

void
sch_call_gone(struct sch *sch, struct sch_call *call, int64_t now_ns)
{
    assert(call->state == SCH_CALL_WAITING);
    sch_stop_waiting(sch, call);
    if (call->function->waits_for_memory)
        sch_wake_by(sch, call->function, now_ns); /* perhaps it needs none any more */
    call->state = SCH_CALL_OUT;
}

/* A call to an idle instance includes a wake-up. That is not counted: it delays no call behind. */
static void
measure(struct sch_slot *slot, int64_t now_ns)
{
    struct sch_function *f = slot->function;
    int64_t ran_ns = now_ns - slot->head_since_ns - (slot->woken ? SCH_WAKE_NS : 0);

    if (ran_ns < 1000)
        ran_ns = 1000;
    /* a process that was preempted for a moment is not a slow function: one sample at most doubles
     * the average */
    if (f->service_ns > 0 && ran_ns > 8 * f->service_ns)
        ran_ns = 8 * f->service_ns;
    f->service_ns = f->service_ns == 0 ? ran_ns : f->service_ns + (ran_ns - f->service_ns) / 8;
}

void
sch_call_done(struct sch *sch, struct sch_call *call, int64_t now_ns)
{
    struct sch_slot *slot = call->slot;
    const struct sch_settings *settings = &slot->function->settings;

    assert(slot->runs.head == call);
    sch_take(sch, call);
    slot->calls++;
    if (slot->recalling && now_ns - slot->head_since_ns < 2 * overdue_after(slot->function))
        slot->function->no_stacking_until_ns = 0; /* it was only preempted */
    measure(slot, now_ns);
    slot->head_since_ns = now_ns;
    slot->woken = false;
    slot->recalling = false;
    if (settings->recycle_calls > 0 && slot->calls >= (uint64_t)settings->recycle_calls)
        sch_slot_close(sch, slot, SCH_END_RECYCLED_CALLS);
    if (slot->runs.head == NULL)
        settle(sch, slot, now_ns);
    else if (slot->function->waiting.head != NULL)
        assign_calls(sch, slot->function, now_ns);
}

void
sch_call_recalled(struct sch *sch, struct sch_call *call, int64_t now_ns)
{
    struct sch_function *f = call->function;
    struct sch_slot *slot = call->slot;

    assert(call->state == SCH_CALL_RUNNING && (slot->runs.head != call || slot->doomed));
    sch_take(sch, call);
    wait_again(sch, f, call);
    if (slot->runs.head == NULL)
        settle(sch, slot, now_ns);
    else
        assign_calls(sch, f, now_ns);
}

void
sch_call_lost(struct sch *sch, struct sch_call *call)
{
    assert(call->state == SCH_CALL_RUNNING && call->slot->runs.head == call);
    call->slot->doomed = true;
    sch_take(sch, call);
}

/* ---- slots ---- */

void
sch_slot_ready(struct sch *sch, struct sch_slot *slot, int64_t now_ns)
{
    struct sch_function *f = slot->function;
    int64_t took_ns = now_ns - slot->since_ns;

    assert(slot->state == SCH_SLOT_STARTING && !slot->paused);
    f->start_ns = f->start_ns == 0 ? took_ns : f->start_ns + (took_ns - f->start_ns) / 8;
    settle(sch, slot, now_ns);
}

struct sch_slot *
sch_slot_adopt(struct sch *sch, struct sch_function *f, void *user, uint32_t generation,
               int64_t memory, int64_t now_ns)
{
    struct sch_slot *slot;

    f->generation = generation;
    slot = new_slot(sch, f, SCH_SLOT_STARTING, memory, now_ns);
    if (slot == NULL)
        return NULL;
    slot->user = user;
    settle(sch, slot, now_ns);
    return slot;
}

void
sch_slot_doom(struct sch *sch, struct sch_slot *slot, enum sch_end why, int64_t now_ns)
{
    sch_slot_close(sch, slot, why);
    if (slot->state == SCH_SLOT_IDLE)
        settle(sch, slot, now_ns);
}

void
sch_slot_pause(struct sch *sch, struct sch_slot *slot, int64_t now_ns)
{
    if (slot->doomed || slot->paused || slot->pausing || slot->state == SCH_SLOT_RETIRING)
        return;
    slot->pausing = true;
    if (slot->state == SCH_SLOT_IDLE)
        settle(sch, slot, now_ns);
    else
        sch_slot_recall(sch, slot);
}

void
sch_slot_resume(struct sch *sch, struct sch_slot *slot, int64_t now_ns)
{
    assert(slot->paused);
    slot->paused = false;
    settle(sch, slot, now_ns);
}

/* Whether it has an instance that was ready once; a paused one was. */
static bool
has_started_one(const struct sch_function *f)
{
    for (const struct sch_slot *s = f->slots[SCH_SLOT_STARTING].head; s != NULL; s = s->next)
        if (s->paused)
            return true;
    return sch_function_live(f) > f->slots[SCH_SLOT_STARTING].count;
}

/* The calls that the instance had not begun wait again. The first one was not counted as queued: if
 * the queues of all functions are full now, it is refused. */
static void
give_back_calls(struct sch *sch, struct sch_slot *slot)
{
    while (slot->runs.tail != NULL) {
        struct sch_call *call = slot->runs.tail;

        sch_take(sch, call);
        if (sch_host_is_full(sch, call))
            refuse(sch, call, SCH_HOST_FULL);
        else
            wait_again(sch, slot->function, call);
    }
}

void
sch_slot_gone(struct sch *sch, struct sch_slot *slot, bool could_not_start, int64_t now_ns)
{
    struct sch_function *f = slot->function;

    give_back_calls(sch, slot);
    sch_slots_remove(&f->slots[slot->state], slot);
    sch->busy -= slot->state == SCH_SLOT_BUSY;
    sch->leaving_bytes -= slot->state == SCH_SLOT_RETIRING ? slot->memory : 0;
    sch->used_bytes -= slot->memory;
    sch_slot_removed(sch, f);
    slot->id = 0;
    slot->next = sch->free_slots;
    sch->free_slots = slot;
    if (f->removed)
        refuse_all(sch, f, SCH_REMOVED);
    else if (could_not_start && !has_started_one(f))
        refuse_all(sch, f, SCH_LAUNCH_FAILED);
    /* a function that cannot start is started again only for a call */
    if (!could_not_start || f->waiting.head != NULL)
        assign_calls(sch, f, now_ns);
    grant_memory(sch, now_ns);
}

/* ---- the clock ---- */

static void
expire_waiting(struct sch *sch, struct sch_function *f, int64_t now_ns)
{
    int64_t timeout_ns = f->settings.queue_timeout_ms * MS;

    while (f->waiting.head != NULL && f->waiting.head->arrived_ns + timeout_ns <= now_ns) {
        struct sch_call *call = f->waiting.head;

        sch_stop_waiting(sch, call);
        refuse(sch, call, SCH_QUEUE_TIMEOUT);
    }
    if (f->waiting.head != NULL)
        sch_wake_by(sch, f, f->waiting.head->arrived_ns + timeout_ns);
}

static void
expire_idle(struct sch *sch, struct sch_function *f, int64_t now_ns)
{
    struct sch_slot *coldest;

    while ((coldest = f->slots[SCH_SLOT_IDLE].tail) != NULL &&
           sch_function_live(f) > (uint64_t)f->settings.min && expiry(coldest) <= now_ns)
        sch_slot_retire(sch, coldest, SCH_END_IDLE, now_ns);
    if (coldest != NULL && sch_function_live(f) > (uint64_t)f->settings.min)
        sch_wake_by(sch, f, expiry(coldest));
}

/* Recalls the calls that were sent ahead behind a call that runs far too long, and sends none ahead
 * for a while: the calls of this function differ too much. */
static void
recall_overdue(struct sch *sch, struct sch_function *f, int64_t now_ns)
{
    for (struct sch_slot *slot = f->slots[SCH_SLOT_BUSY].head; slot != NULL; slot = slot->next) {
        int64_t due_ns = slot->head_since_ns + overdue_after(f);

        if (slot->runs.count < 2 || slot->recalling)
            continue;
        if (now_ns < due_ns) {
            sch_wake_by(sch, f, due_ns);
            continue;
        }
        slot->recalling = true;
        f->no_stacking_until_ns = now_ns + 10 * overdue_after(f);
        for (struct sch_call *c = slot->runs.head->next; c != NULL; c = c->next)
            sch_act(sch, (struct sch_action){.type = SCH_RECALL, .call = c, .slot = slot});
    }
}

void
sch_tick(struct sch *sch, int64_t now_ns)
{
    /* at most once for each function, even if its next time is due already */
    for (uint32_t most = sch->timers.count; most > 0 && sch_wake_at(sch) <= now_ns; most--) {
        struct sch_function *f = sch_timers_first(sch);
        bool was_waiting;

        sch_forget_time(sch, f);
        recall_overdue(sch, f, now_ns);
        expire_waiting(sch, f, now_ns);
        was_waiting = f->waits_for_memory;
        if (f->waiting.head != NULL || was_waiting)
            assign_calls(sch, f, now_ns);
        if (was_waiting && !f->waits_for_memory)
            grant_memory(sch, now_ns); /* it no longer waits: another function may be next */
        expire_idle(sch, f, now_ns);
        prewarm(sch, f, now_ns);
    }
}
