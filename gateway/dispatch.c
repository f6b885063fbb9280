/* dispatch.c: carries out what the scheduler decides: the only file that knows
 * loop, channel, launcher and scheduler together. It also decides when the loop
 * may sleep: only after every worker that owes something was told to ring.
 */
#include <string.h>
#include <time.h>

#include "gateway.h"

#define MS INT64_C(1000000)

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

    gw_call_problem(call, GW_TIMEOUT, json_pack("{s:I}", "timeout_ms", (json_int_t)timeout),
                    "the call ran longer than the function's timeout of %lld ms",
                    (long long)timeout);
    gw_instance_kill(inst);
}

static void
dispatch(struct gw *gw, struct gw_call *call, struct gw_instance *inst)
{
    call->instance = inst;
    gw_instance_busy(inst, true);
    gw_timer_set(gw, &call->deadline, call->function->sch.settings.timeout_ms, on_deadline);
    gw_call_pump(call);
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
    gw_dispatch_tick(gw);
    if (gw->draining && gw_now_ms() >= gw->drain_by_ms)
        gw_server_check_drained(gw);
    if (gw->wheel.armed == 0 && sch_wake_at(gw->sch) == INT64_MAX && !gw->draining) {
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

void
gw_dispatch_tick(struct gw *gw)
{
    sch_tick(gw->sch, gw_now_ns());
    gw_dispatch(gw);
}

/* ---- sleeping and waking ---- */

static void
poll_busy(struct gw *gw)
{
    for (struct gw_instance *inst = gw->busy, *next; inst != NULL; inst = next) {
        next = inst->busy_next;
        if (inst->open && chan_ready(&inst->chan))
            gw_instance_poll(inst);
    }
    gw_dispatch(gw);
}

bool
gw_instances_ready(struct gw *gw)
{
    for (struct gw_instance *inst = gw->busy; inst != NULL; inst = inst->busy_next)
        if (inst->open && !inst->blocked && !inst->broken && chan_ready(&inst->chan))
            return true;
    return false;
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

/* Before the loop sleeps: take what is there, tell every worker that owes us
 * something to ring, and look once more. */
static void
on_prepare(uv_prepare_t *prepare)
{
    struct gw *gw = prepare->data;

    poll_busy(gw);
    if (sch_wake_at(gw->sch) != INT64_MAX)
        gw_keep_ticking(gw);
    say_asleep(gw, true);
    if (gw_instances_ready(gw))
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
    (void)uv_prepare_init(gw->loop, &gw->prepare);
    (void)uv_check_init(gw->loop, &gw->check);
    (void)uv_idle_init(gw->loop, &gw->spin);
    gw->ticker.data = gw->prepare.data = gw->check.data = gw->spin.data = gw;
    (void)uv_prepare_start(&gw->prepare, on_prepare);
    (void)uv_check_start(&gw->check, on_check);
}
