/* dispatch.c: carries out what the scheduler decides: the only file that knows
 * loop, channel, launcher and scheduler together. It also decides when the loop
 * may sleep: only after every worker that owes something was told to ring.
 */
#include <sched.h>
#include <string.h>
#include <time.h>

#include "gateway.h"

#define MS INT64_C(1000000)

/* see gather_more */
#define GATHER_LEAST 2
#define GATHER_MOST  48
#define GATHER_NS    INT64_C(60000)

/* see wake_workers */
#define NEAR_NS         INT64_C(5000)
#define TURNS_TO_SETTLE 64

/* see look_for_answer */
#define LOOK_NS      INT64_C(15000)
#define LOOK_CALLS   24  /* with more there is enough to do meanwhile */
#define LOOK_TRUST   8   /* successes that count */
#define LOOK_PENALTY 4   /* what a failure takes of them */
#define LOOK_PAUSE   256 /* lone calls until it is tried again */

int64_t
gw_now_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* ---- actions ---- */

static void
on_deadline(struct gw_timer *timer)
{
    struct gw_call *call =
        (struct gw_call *)(void *)((char *)timer - offsetof(struct gw_call, deadline));
    struct gw_instance *inst = call->instance;
    int64_t timeout = call->function->sch.settings.timeout_ms;

    if (inst->slot->runs.head != &call->sch) { /* sent ahead, and not begun: not its fault */
        gw_timer_set(call->gw, timer, GW_WHEEL_TICK_MS, on_deadline);
        return;
    }
    gw_call_problem(call, GW_TIMEOUT, json_pack("{s:I}", "timeout_ms", (json_int_t)timeout),
                    "the call ran longer than the function's timeout of %lld ms",
                    (long long)timeout);
    gw_instance_kill(inst);
}

static void
dispatch(struct gw *gw, struct gw_call *call, struct gw_instance *inst)
{
    struct gw_call *before = (struct gw_call *)(void *)call->sch.prev;

    call->instance = inst;
    gw->sent++;
    gw_instance_busy(inst, true);
    gw_timer_set(gw, &call->deadline, call->function->sch.settings.timeout_ms, on_deadline);
    /* sent in order, each in one piece: one that cannot be is sent by
     * gw_instance_poll when there is room */
    if (before != NULL && (!gw_call_keep_whole(call) || !before->end_sent)) {
        inst->unsent = true;
        return;
    }
    gw_call_pump(call);
    inst->unsent = inst->unsent || (before != NULL && !call->end_sent);
}

/* Takes a call that was sent ahead back, where its instance has not begun it. */
static void
recall(struct gw *gw, struct gw_call *call, struct sch_slot *slot)
{
    if (call->sch.slot != slot || call->sch.state != SCH_CALL_RUNNING ||
        slot->runs.head == &call->sch)
        return;
    if (call->head_sent && !chan_revoke(&call->instance->chan, call->position))
        return;
    gw_call_unsend(call);
    sch_call_recalled(gw->sch, &call->sch, gw_now_ns());
    if (call->conn == NULL && call->sch.state == SCH_CALL_WAITING) {
        sch_call_gone(gw->sch, &call->sch, gw_now_ns()); /* nobody waits for it any more */
        gw_call_free(call);
    }
}

static void
launch(struct gw *gw, struct sch_slot *slot)
{
    struct gw_function *f =
        (struct gw_function *)(void *)((char *)slot->function - offsetof(struct gw_function, sch));

    slot->user = gw_instance_launch(gw, f, f->live, false, slot, NULL);
    if (slot->user != NULL)
        return;
    (void)strcpy(f->last_failure, "the launcher cannot be reached");
    sch_slot_gone(gw->sch, slot, true, gw_now_ns());
}

static void
refuse(struct gw_call *call, enum sch_reason reason)
{
    struct gw_function *f = call->function;
    int64_t waited = (gw_now_ns() - call->sch.arrived_ns) / MS;

    if (reason == SCH_LAUNCH_FAILED)
        gw_call_problem(call, GW_INIT_FAILED, NULL, "%s", f->last_failure);
    else if (reason == SCH_REMOVED)
        gw_call_problem(call, GW_FUNCTION_NOT_FOUND, NULL, "the function was deleted");
    else
        gw_call_problem(call, GW_OVERLOADED,
                        json_pack("{s:i,s:i}", "queue", (int)f->sch.waiting.count, "instances",
                                  (int)sch_function_live(&f->sch)),
                        reason == SCH_QUEUE_FULL
                            ? "the function's queue is full (it waited %lld ms)"
                            : "no instance was free within queue_timeout (it waited %lld ms)",
                        (long long)waited);
    gw_call_free(call);
}

void
gw_dispatch(struct gw *gw)
{
    struct sch_action action;

    if (gw->acting)
        return; /* the loop below comes to it */
    gw->acting = true;
    while (sch_next_action(gw->sch, &action)) {
        struct gw_call *call = (struct gw_call *)(void *)action.call;

        switch (action.type) {
        case SCH_DISPATCH:
            dispatch(gw, call, action.slot->user);
            break;
        case SCH_RECALL:
            recall(gw, call, action.slot);
            break;
        case SCH_LAUNCH:
            launch(gw, action.slot);
            break;
        case SCH_RETIRE:
            gw_instance_retire(action.slot->user);
            break;
        case SCH_REFUSE:
            refuse(call, action.reason);
            break;
        }
    }
    gw->acting = false;
}

/* ---- time ---- */

static void
on_tick(uv_timer_t *ticker)
{
    struct gw *gw = ticker->data;

    gw_wheel_run(&gw->wheel, gw_now_ms());
    gw_dispatch(gw);
    gw_server_check_drained(gw);
    if (gw->wheel.armed == 0 && !gw->draining) {
        (void)uv_timer_stop(&gw->ticker);
        gw->ticking = false;
    }
}

void
gw_keep_ticking(struct gw *gw)
{
    if (gw->ticking)
        return;
    gw->ticking = true;
    (void)uv_timer_start(&gw->ticker, on_tick, GW_WHEEL_TICK_MS, GW_WHEEL_TICK_MS);
}

void
gw_timer_set(struct gw *gw, struct gw_timer *timer, int64_t after_ms,
             void (*fire)(struct gw_timer *))
{
    gw_wheel_set(&gw->wheel, timer, gw_now_ms() + after_ms, fire);
    gw_keep_ticking(gw);
}

void
gw_timer_unset(struct gw *gw, struct gw_timer *timer)
{
    gw_wheel_unset(&gw->wheel, timer);
}

static void
on_alarm(uv_timer_t *alarm)
{
    struct gw *gw = alarm->data;

    gw->alarm_ns = INT64_MAX;
    sch_tick(gw->sch, gw_now_ns());
    gw_dispatch(gw);
}

/* Sets the alarm to the scheduler's next moment, where that has come nearer. */
static void
set_alarm(struct gw *gw)
{
    int64_t at_ns = sch_wake_at(gw->sch), left_ns;

    if (at_ns >= gw->alarm_ns)
        return;
    gw->alarm_ns = at_ns;
    left_ns = at_ns - gw_now_ns();
    uv_update_time(gw->loop);
    (void)uv_timer_start(&gw->alarm, on_alarm, left_ns > 0 ? (uint64_t)(left_ns / MS + 1) : 0, 0);
}

/* ---- sleeping and waking ---- */

/* Frames to take, or room for what could not be sent: a worker rings for either,
 * but only while the gateway sleeps. */
static bool
has_work(struct gw_instance *inst)
{
    if (!inst->open || inst->blocked || inst->broken)
        return false;
    return chan_ready(&inst->chan) ||
           (inst->room_wanted > 0 && chan_room(&inst->chan) >= inst->room_wanted);
}

static void
poll_busy(struct gw *gw)
{
    for (struct gw_instance *inst = gw->busy, *next; inst != NULL; inst = next) {
        next = inst->busy_next;
        if (has_work(inst))
            gw_instance_poll(inst);
    }
    gw_dispatch(gw);
}

static bool
any_has_work(struct gw *gw)
{
    for (struct gw_instance *inst = gw->busy; inst != NULL; inst = inst->busy_next)
        if (has_work(inst))
            return true;
    return false;
}

static bool
is_short(const struct gw_instance *inst)
{
    int64_t service_ns = inst->function->sch.service_ns;

    return service_ns > 0 && service_ns <= NEAR_NS;
}

/* The core that this loop has kept to for a while, from 1; 0 while it moves. */
static uint32_t
settled_core(struct gw *gw)
{
    int core = sched_getcpu();

    if (core != gw->core) {
        gw->core = core;
        gw->turns_on_core = 0;
    }
    if (core < 0 || gw->turns_on_core < TURNS_TO_SETTLE)
        gw->turns_on_core++;
    return core >= 0 && gw->turns_on_core >= TURNS_TO_SETTLE ? (uint32_t)core + 1 : 0;
}

static void
hint(struct gw_instance *inst, uint32_t core)
{
    inst->near = core != 0;
    chan_hint_core(&inst->chan, core);
}

/* One wake-up for all that this turn of the loop sent to a worker. Calls that are
 * shorter than what this loop does for each are best run on its own core: nothing
 * is gained by the other one, and waking it costs more than they do. */
static void
wake_workers(struct gw *gw)
{
    uint32_t core = gw->busy != NULL ? settled_core(gw) : 0;

    for (struct gw_instance *inst = gw->busy; inst != NULL; inst = inst->busy_next) {
        if (inst->sent && inst->open)
            hint(inst, is_short(inst) ? core : 0);
        gw_instance_wake(inst);
    }
    gw->sent = gw->sent_before = 0;
    gw->gather_since_ns = 0;
}

static void
say_asleep(struct gw *gw, bool asleep)
{
    for (struct gw_instance *inst = gw->busy; inst != NULL; inst = inst->busy_next)
        if (inst->open)
            chan_gateway_sleeps(&inst->chan, asleep);
}

static void
on_spin(uv_idle_t *spin)
{
    (void)spin; /* being active is its whole work: the loop does not sleep */
}

/* Whether to look for more requests before the workers are woken for those that
 * were sent. Under load the next ones are a moment away, and one wake-up, which
 * costs as much as a call, then serves for all. Never for a lone call, nor when a
 * turn brought nothing new, nor past GATHER_NS. */
static bool
gather_more(struct gw *gw)
{
    uint32_t sent = gw->sent;
    bool grew = sent > gw->sent_before;

    gw->sent_before = sent;
    if (sent < GATHER_LEAST || sent >= GATHER_MOST || !grew)
        return false;
    if (gw->gather_since_ns == 0)
        gw->gather_since_ns = gw_now_ns();
    return gw_now_ns() - gw->gather_since_ns < GATHER_NS;
}

static void
relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#endif
}

/* A few short calls are answered within microseconds where the worker's core is
 * awake, and then looking for the answer is cheaper for both sides than sleeping and
 * ringing. Where that core sleeps it is not, and a few failures end the looking;
 * now and then it is tried again. True where an answer came. */
static bool
look_for_answer(struct gw *gw)
{
    struct gw_instance *inst = gw->busy;
    int64_t until;

    if (inst == NULL || inst->busy_next != NULL || !inst->open || inst->slot == NULL ||
        inst->slot->runs.count < 1 || inst->slot->runs.count > LOOK_CALLS ||
        !inst->slot->runs.head->stackable || inst->function->sch.service_ns > LOOK_NS)
        return false;
    if (gw->look_score < 0) {
        gw->look_score++;
        return false;
    }
    if (inst->near) /* on this very core: it has run already, or runs when we sleep */
        return chan_ready(&inst->chan);
    until = gw_now_ns() + LOOK_NS;
    do {
        for (int i = 0; i < 16; i++) {
            if (chan_ready(&inst->chan)) {
                gw->look_score = gw->look_score < LOOK_TRUST ? gw->look_score + 1 : LOOK_TRUST;
                return true;
            }
            relax();
        }
    } while (gw_now_ns() < until);
    gw->look_score -= LOOK_PENALTY;
    if (gw->look_score < 0)
        gw->look_score = -LOOK_PAUSE;
    return false;
}

/* Before the loop sleeps: take what is there, tell every worker that owes us
 * something to ring, and look once more. */
static void
on_prepare(uv_prepare_t *prepare)
{
    struct gw *gw = prepare->data;

    poll_busy(gw);
    set_alarm(gw);
    if (gather_more(gw)) {
        (void)uv_idle_start(&gw->spin, on_spin);
        return;
    }
    wake_workers(gw);
    if (look_for_answer(gw)) {
        poll_busy(gw);
        wake_workers(gw);
    }
    say_asleep(gw, true);
    if (any_has_work(gw))
        (void)uv_idle_start(&gw->spin, on_spin);
    else
        (void)uv_idle_stop(&gw->spin);
}

static void
on_check(uv_check_t *check)
{
    struct gw *gw = check->data;

    say_asleep(gw, false);
    poll_busy(gw);
}

void
gw_dispatch_attach(struct gw *gw)
{
    gw_wheel_init(&gw->wheel, gw_now_ms());
    (void)uv_timer_init(gw->loop, &gw->ticker);
    (void)uv_timer_init(gw->loop, &gw->alarm);
    gw->alarm_ns = INT64_MAX;
    gw->alarm.data = gw;
    (void)uv_prepare_init(gw->loop, &gw->prepare);
    (void)uv_check_init(gw->loop, &gw->check);
    (void)uv_idle_init(gw->loop, &gw->spin);
    gw->ticker.data = gw->prepare.data = gw->check.data = gw->spin.data = gw;
    (void)uv_prepare_start(&gw->prepare, on_prepare);
    (void)uv_check_start(&gw->check, on_check);
}
