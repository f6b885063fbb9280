/* scheduler.c: events in, actions out.
 * Pure: no clock, no loop, no process; heap only for slots and the action list.
 * Invariants: a slot that is BUSY has exactly one call that it answers first; a
 * function never has more than max slots that are not retiring; its waiting calls
 * are served in the order in which they came.
 */
#include "internal.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MS INT64_C(1000000)

static const char *const state_names[] = {
#define X(name, text) text,
    SCH_SLOT_STATES(X)
#undef X
};

const char *
sch_slot_state_name(enum sch_slot_state state)
{
    return state_names[state];
}

/* The one place that assigns a slot's state. */
static void
enter(struct sch *sch, struct sch_slot *slot, enum sch_slot_state state, int64_t now_ns)
{
    sch_slots_remove(&slot->function->slots[slot->state], slot);
    sch->busy -= slot->state == SCH_SLOT_BUSY;
    sch->busy += state == SCH_SLOT_BUSY;
    sch->leaving_bytes += state == SCH_SLOT_RETIRING ? slot->memory : 0;
    slot->state = state;
    slot->since_ns = now_ns;
    sch_slots_push(&slot->function->slots[state], slot);
}

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
    sch_staff(sch, f);
    return slot;
}

/* ---- decisions ---- */

uint32_t
sch_function_live(const struct sch_function *f)
{
    return f->slots[SCH_SLOT_STARTING].count + f->slots[SCH_SLOT_IDLE].count +
           f->slots[SCH_SLOT_BUSY].count;
}

static bool
outdated(const struct sch_slot *slot)
{
    const struct sch_function *f = slot->function;

    return f->removed || slot->doomed || slot->generation != f->generation;
}

/* How long a call may run before those behind it are taken back. */
static int64_t
overdue_after(const struct sch_function *f)
{
    int64_t usual = 20 * f->service_ns;

    return usual > SCH_OVERDUE_NS ? usual : SCH_OVERDUE_NS;
}

/* recycle_calls is kept to exactly: no call stands behind the last one. */
static bool
last_before_recycling(const struct sch_slot *slot)
{
    int64_t most = slot->function->settings.recycle_calls;

    return most > 0 && slot->calls + slot->runs.count >= (uint64_t)most;
}

void
sch_slot_close(struct sch *sch, struct sch_slot *slot)
{
    slot->doomed = true;
    if (slot->recalling || slot->runs.count < 2)
        return;
    slot->recalling = true;
    for (struct sch_call *c = slot->runs.head->next; c != NULL; c = c->next)
        sch_act(sch, (struct sch_action){.type = SCH_RECALL, .call = c, .slot = slot});
}

void
sch_slot_retire(struct sch *sch, struct sch_slot *slot, int64_t now_ns)
{
    enter(sch, slot, SCH_SLOT_RETIRING, now_ns);
    sch_act(sch, (struct sch_action){.type = SCH_RETIRE, .slot = slot});
}

/* False where there is no memory for it now: the function waits for some. */
static bool
launch(struct sch *sch, struct sch_function *f, int64_t now_ns)
{
    int64_t memory = f->settings.memory;
    struct sch_slot *slot;

    if (!sch_has_room(sch, memory) || !sch_is_next(sch, f)) {
        sch_hunger(sch, f, now_ns);
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
        enter(sch, slot, SCH_SLOT_BUSY, now_ns);
    } else {
        sch_wake_by(sch, slot->function, slot->head_since_ns + overdue_after(slot->function));
    }
    sch_act(sch, (struct sch_action){.type = SCH_DISPATCH, .call = call, .slot = slot});
}

/* Whether this call may stand behind those of a busy slot, of at most `work`. */
static bool
takes_ahead(const struct sch_slot *slot, const struct sch_call *call, int64_t work_ns,
            int64_t now_ns)
{
    const struct sch_function *f = slot->function;

    return slot->lane == call->lane && !outdated(slot) && !slot->recalling &&
           slot->runs.count < SCH_AHEAD_MAX && slot->runs.head->stackable &&
           slot->runs.count * f->service_ns <= work_ns &&
           now_ns - slot->head_since_ns < overdue_after(f) / 2 && !last_before_recycling(slot);
}

static bool
may_stack(const struct sch_function *f, const struct sch_call *call, int64_t now_ns)
{
    return call->stackable && f->service_ns > 0 && now_ns >= f->no_stacking_until_ns;
}

/* The first of a list that is of this lane; the first of all where none is. */
static struct sch_slot *
of_lane(const struct sch_slot_list *list, uint8_t lane)
{
    for (struct sch_slot *slot = list->head; slot != NULL; slot = slot->next)
        if (slot->lane == lane)
            return slot;
    return list->head;
}

/* The slot that serves the call soonest, or NULL where it has to wait: the busy one
 * used last, while what stands in it is less than a wake-up, or while every core has
 * its instance already; an idle one; the busy one with the least to do. */
static struct sch_slot *
place(const struct sch *sch, struct sch_function *f, const struct sch_call *call, int64_t now_ns)
{
    struct sch_slot *idle = of_lane(&f->slots[SCH_SLOT_IDLE], call->lane);
    struct sch_slot *busy = of_lane(&f->slots[SCH_SLOT_BUSY], call->lane), *best = NULL;
    bool may = may_stack(f, call, now_ns);
    int64_t near_ns = sch->busy >= sch->cores ? SCH_CROWDED_NS : SCH_WAKE_NS;

    if (may && busy != NULL && takes_ahead(busy, call, near_ns, now_ns))
        return busy;
    if (idle != NULL || !may)
        return idle;
    for (; busy != NULL; busy = busy->next)
        if (takes_ahead(busy, call, SCH_AHEAD_NS, now_ns) &&
            (best == NULL || busy->runs.count < best->runs.count))
            best = busy;
    return best;
}

/* Instances to make for the calls that wait. Short calls do not pay for one: where
 * the line moves faster than an instance starts, they wait for their turn. Until
 * a first call was measured, one instance is made, and more once the line has
 * stood for as long as a start takes. */
static uint32_t
wanted_for_waiting(struct sch *sch, struct sch_function *f, int64_t now_ns)
{
    uint32_t starting = f->slots[SCH_SLOT_STARTING].count;
    uint32_t serving = f->slots[SCH_SLOT_BUSY].count;
    int64_t start_ns = f->start_ns > 0 ? f->start_ns : SCH_START_NS;
    int64_t wait_ns, needed;

    if (f->waiting.count <= starting)
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
    /* as many as clear the line in the time that a start takes, no more */
    needed = (int64_t)f->waiting.count * f->service_ns / start_ns + 1;
    if (f->service_ns == 0 || needed > f->waiting.count)
        needed = f->waiting.count;
    return needed > starting ? (uint32_t)needed - starting : 0;
}

/* A slot that has just gone to a lane takes along what else of it waits, as far as
 * may be sent ahead: else lanes that share an instance would take turns with every
 * call. */
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

/* Gives idle slots to waiting calls, and makes as many instances as the calls
 * that still wait need, and as `min` wants. */
void
sch_pump(struct sch *sch, struct sch_function *f, int64_t now_ns)
{
    struct sch_slot *slot;
    uint32_t wanted;

    while (f->waiting.head != NULL && (slot = place(sch, f, f->waiting.head, now_ns)) != NULL) {
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
        sch_sate(sch, f);
    while (wanted-- > 0 && sch_function_live(f) < (uint64_t)f->settings.max)
        if (!launch(sch, f, now_ns))
            break;
    for (struct sch_call *c = f->waiting.head; c != NULL && !c->cold; c = c->next)
        c->cold = f->slots[SCH_SLOT_STARTING].count > 0;
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

/* When an idle slot goes, if no call comes. */
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
    return f->idle_since_ns + f->keep.keep_ns; /* made before the call that is expected */
}

/* Makes the instance that the next call is expected to need; not at another's cost. */
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
    if (sch_function_live(f) == 0 && sch_has_room(sch, f->settings.memory))
        (void)launch(sch, f, now_ns);
}

/* A slot without a call: to the next call, to the idle ones, or away. */
static void
settle(struct sch *sch, struct sch_slot *slot, int64_t now_ns)
{
    struct sch_function *f = slot->function;

    if (outdated(slot)) {
        sch_slot_retire(sch, slot, now_ns);
        sch_pump(sch, f, now_ns);
        return;
    }
    if (slot->state != SCH_SLOT_IDLE)
        enter(sch, slot, SCH_SLOT_IDLE, now_ns);
    sch_slot_value(sch, slot);
    if (f->waiting.head == NULL)
        f->handovers = 0;
    sch_pump(sch, f, now_ns);
    if (slot->state != SCH_SLOT_IDLE)
        return;
    if (f->slots[SCH_SLOT_BUSY].count == 0 && slot->calls > 0)
        begin_idleness(f, now_ns);
    sch_wake_by(sch, f, expiry(slot));
    if (sch->hungry != NULL)
        sch_make_room(sch, sch->hungry, sch->hungry->settings.memory, now_ns);
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

/* What `min` keeps is promised memory. */
static void
count_kept(struct sch *sch, struct sch_function *f)
{
    sch->kept_bytes -= f->kept_bytes;
    f->kept_bytes = f->removed ? 0 : f->settings.min * f->settings.memory;
    sch->kept_bytes += f->kept_bytes;
}

/* Another limit: what grows is counted at once, and goes after its call where there is
 * no room; what shrinks is counted when it has (sch_slot_shrunk). */
static void
resize(struct sch *sch, struct sch_function *f, int64_t now_ns)
{
    static const enum sch_slot_state states[] = {SCH_SLOT_BUSY, SCH_SLOT_STARTING, SCH_SLOT_IDLE};

    for (size_t i = 0; i < sizeof states / sizeof states[0]; i++)
        for (struct sch_slot *slot = f->slots[states[i]].head; slot != NULL; slot = slot->next) {
            int64_t more = f->settings.memory - slot->memory;

            if (more <= 0)
                continue;
            if (!sch_has_room(sch, more))
                sch_make_room(sch, f, more, now_ns);
            if (!sch_has_room(sch, more)) {
                sch_slot_close(sch, slot); /* an idle one is retired by the caller */
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
            sch_slot_retire(sch, slot, now_ns);
    }
    while (sch_function_live(f) > (uint64_t)settings->max && f->slots[SCH_SLOT_IDLE].tail != NULL)
        sch_slot_retire(sch, f->slots[SCH_SLOT_IDLE].tail, now_ns);
    sch_pump(sch, f, now_ns);
    sch_wake_by(sch, f, now_ns); /* timeouts may have become shorter: look at them all */
}

void
sch_function_remove(struct sch *sch, struct sch_function *f, int64_t now_ns)
{
    f->removed = true;
    refuse_all(sch, f, SCH_REMOVED);
    while (f->slots[SCH_SLOT_IDLE].head != NULL)
        sch_slot_retire(sch, f->slots[SCH_SLOT_IDLE].head, now_ns);
    count_kept(sch, f);
    sch_sate(sch, f);
    sch_forget_time(sch, f);
}

bool
sch_function_empty(const struct sch_function *f)
{
    return sch_function_live(f) == 0 && f->slots[SCH_SLOT_RETIRING].count == 0;
}

/* ---- calls ---- */

/* Back into the queue by its arrival, so that order and timeouts stay right. */
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

/* A call ends the time that the function was idle. */
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
    slot = f->waiting.head == NULL ? place(sch, f, call, now_ns) : NULL;
    if ((slot == NULL || slot->state == SCH_SLOT_BUSY) && sch_host_is_full(sch, call)) {
        refuse(sch, call, SCH_HOST_FULL);
        return;
    }
    if (slot != NULL) {
        dispatch(sch, slot, call, now_ns);
        return;
    }
    sch_wait_before(sch, f, NULL, call);
    sch_pump(sch, f, now_ns);
    if (call->state == SCH_CALL_WAITING)
        sch_wake_by(sch, f, now_ns + f->settings.queue_timeout_ms * MS);
}

void
sch_call_gone(struct sch *sch, struct sch_call *call, int64_t now_ns)
{
    assert(call->state == SCH_CALL_WAITING);
    sch_stop_waiting(sch, call);
    if (call->function->hungry)
        sch_wake_by(sch, call->function, now_ns); /* perhaps for nobody, now */
    call->state = SCH_CALL_OUT;
}

/* A call that came to an idle instance took a wake-up besides: that is no part of
 * what a call costs the one behind it. */
static void
measure(struct sch_slot *slot, int64_t now_ns)
{
    struct sch_function *f = slot->function;
    int64_t ran_ns = now_ns - slot->head_since_ns - (slot->woken ? SCH_WAKE_NS : 0);

    if (ran_ns < 1000)
        ran_ns = 1000;
    /* a process that was off its core for a moment is no slow function: one sample
     * doubles the average at the most */
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
        slot->function->no_stacking_until_ns = 0; /* a moment off its core, no more */
    measure(slot, now_ns);
    slot->head_since_ns = now_ns;
    slot->woken = false;
    slot->recalling = false;
    if (settings->recycle_calls > 0 && slot->calls >= (uint64_t)settings->recycle_calls)
        slot->doomed = true;
    if (slot->runs.head == NULL)
        settle(sch, slot, now_ns);
    else if (slot->function->waiting.head != NULL)
        sch_pump(sch, slot->function, now_ns);
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
        sch_pump(sch, f, now_ns);
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

    assert(slot->state == SCH_SLOT_STARTING);
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
sch_slot_doom(struct sch *sch, struct sch_slot *slot, int64_t now_ns)
{
    sch_slot_close(sch, slot);
    if (slot->state == SCH_SLOT_IDLE)
        settle(sch, slot, now_ns);
}

/* All that its instance had not begun waits again. One that was the first counted for no
 * queue: where the queues of all are full meanwhile, it is refused. */
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
    sch_unstaff(sch, f);
    slot->next = sch->free_slots;
    sch->free_slots = slot;
    if (f->removed)
        refuse_all(sch, f, SCH_REMOVED);
    else if (could_not_start && sch_function_live(f) == f->slots[SCH_SLOT_STARTING].count)
        refuse_all(sch, f, SCH_LAUNCH_FAILED);
    /* a function that cannot start is not started again until somebody calls it */
    if (!could_not_start || f->waiting.head != NULL)
        sch_pump(sch, f, now_ns);
    sch_feed(sch, now_ns);
}

/* ---- the clock ---- */

static void
expire_waiting(struct sch *sch, struct sch_function *f, int64_t now_ns)
{
    int64_t patience = f->settings.queue_timeout_ms * MS;

    while (f->waiting.head != NULL && f->waiting.head->arrived_ns + patience <= now_ns) {
        struct sch_call *call = f->waiting.head;

        sch_stop_waiting(sch, call);
        refuse(sch, call, SCH_QUEUE_TIMEOUT);
    }
    if (f->waiting.head != NULL)
        sch_wake_by(sch, f, f->waiting.head->arrived_ns + patience);
}

static void
expire_idle(struct sch *sch, struct sch_function *f, int64_t now_ns)
{
    struct sch_slot *coldest;

    while ((coldest = f->slots[SCH_SLOT_IDLE].tail) != NULL &&
           sch_function_live(f) > (uint64_t)f->settings.min && expiry(coldest) <= now_ns)
        sch_slot_retire(sch, coldest, now_ns);
    if (coldest != NULL && sch_function_live(f) > (uint64_t)f->settings.min)
        sch_wake_by(sch, f, expiry(coldest));
}

/* Takes back what was sent ahead behind a call that runs far too long, and sends
 * nothing ahead for a while: this function's calls are not alike. */
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
    /* once for each at the most, whatever time they ask for next */
    for (uint32_t most = sch->heap_count; most > 0 && sch_wake_at(sch) <= now_ns; most--) {
        struct sch_function *f = sch->heap[0];
        bool was_hungry;

        sch_forget_time(sch, f);
        recall_overdue(sch, f, now_ns);
        expire_waiting(sch, f, now_ns);
        was_hungry = f->hungry;
        if (f->waiting.head != NULL || was_hungry)
            sch_pump(sch, f, now_ns);
        if (was_hungry && !f->hungry)
            sch_feed(sch, now_ns); /* it left the line: it may be another's turn */
        expire_idle(sch, f, now_ns);
        prewarm(sch, f, now_ns);
    }
}
