/* dispatch.c: carries out the scheduler's decisions. */
#include "dispatch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "call.h"
#include "connection.h"
#include "container.h"
#include "function.h"
#include "instance.h"
#include "running.h"
#include "scheduler.h"

#define MS INT64_C(1000000)

#define ACTIONS_AT_ONCE 16

/* The next request of a refused client is read after this share of its Retry-After, so that one
 * that asks again at once does not spend the gateway's time. */
#define HOLD_SHARE   4
#define HOLD_MOST_MS 250

/* ---- actions ---- */

/* Stops dispatching to the call's instance, and takes back the calls that were sent ahead. Returns
 * whether the worker may still be running the call. If it has begun the next one, it is done with
 * this one, and only the client is slow. (One that could not be taken back has not begun.) */
static bool
stop_dispatching(struct gw_call *call)
{
    struct gw_instance *inst = call->instance;

    {
        gw_locked struct gw *held = gw_lock(inst->gw);

        if (inst->slot != NULL)
            sch_slot_doom(inst->gw->functions->sch, inst->slot, SCH_END_TIMEOUT, gw_now_ns());
    }
    gw_dispatch(call->loop);
    return call->next == NULL || !call->next->head_sent ||
           !chan_begun(&inst->chan, call->next->position);
}

/* Dooms the instance before the client gets the answer. Otherwise the client's next call could
 * arrive first and be sent to an instance that is about to be killed. */
static void
on_deadline(struct gw_timer *timer)
{
    struct gw_call *call = container_of(timer, struct gw_call, deadline);
    struct gw_link *link = &call->instance->links[call->loop->lane];
    uint64_t serial = call->serial;

    if (link->first != call) { /* not begun: the timeout is not its fault */
        gw_timer_set(call->loop, timer, GW_WHEEL_TICK_MS, on_deadline);
        return;
    }
    gw_link_poll(link);
    if (link->first != call || call->serial != serial)
        return; /* its response had arrived already */
    if (stop_dispatching(call)) {
        gw_locked struct gw *held = gw_lock(link->inst->gw);

        gw_instance_kill(link->inst, SCH_END_TIMEOUT);
        gw_instance_take_last_output(link->inst);
    }
    gw_call_problem(
        call, GW_TIMEOUT, json_pack("{s:I}", "timeout_ms", (json_int_t)call->timeout_ms),
        "the call ran longer than the function's timeout of %lld ms", (long long)call->timeout_ms);
}

static void
dispatch_call(struct gw_loop *loop, struct gw_call *call, struct gw_instance *inst)
{
    struct gw_link *link = &inst->links[loop->lane];
    struct gw_call *before = link->last;

    gw_running_add(link, call);
    if (call->sch.cold) {
        int64_t waited = call->sch.started_ns - call->sch.arrived_ns;

        call->cold_ns = inst->start_ns < waited ? inst->start_ns : waited;
    }
    loop->calls->sent++;
    gw_timer_set(loop, &call->deadline, call->timeout_ms, on_deadline);
    if (call->reports_memory) {
        gw_locked struct gw *held = gw_lock(loop->gw);

        gw_instance_measure_next(inst);
    }
    /* Calls are sent in order, each in one piece. One that cannot be sent now is sent by
     * gw_link_poll when there is space. */
    if (before != NULL && !before->end_sent) {
        link->unsent = true;
        return;
    }
    gw_call_pump(call);
    link->unsent = link->unsent || (before != NULL && !call->end_sent);
}

/* Takes back a call that was sent ahead, if the instance has not begun it. */
static void
recall_call(struct gw_loop *loop, struct gw_call *call, struct sch_slot *slot)
{
    struct sch *sch = loop->gw->functions->sch;
    gw_locked struct gw *held = gw_lock(loop->gw);

    struct gw_link *link;

    if (call->sch.slot != slot || call->sch.state != SCH_CALL_RUNNING ||
        (slot->runs.head == &call->sch && !slot->doomed))
        return; /* it is the first by now and runs */
    if (call->head_sent &&
        !(gw_call_recover(call) && chan_revoke(&call->instance->chan, call->position))) {
        gw_call_forget_copy(call);
        return;
    }
    link = &call->instance->links[loop->lane];
    gw_running_remove(link, call);
    gw_call_unsend(call);
    sch_call_recalled(sch, &call->sch, gw_now_ns());
    (void)gw_link_settle(link);
    if (call->conn == NULL && call->sch.state == SCH_CALL_WAITING) {
        sch_call_gone(sch, &call->sch, gw_now_ns()); /* its client is gone */
        gw_call_free(call);
    }
}

static void
launch_instance(struct gw *gw, struct sch_slot *slot)
{
    gw_locked struct gw *held = gw_lock(gw);
    struct gw_function *f = container_of(slot->function, struct gw_function, sch);

    slot->user = gw_instance_launch(gw, f, f->live, false, slot, NULL);
    if (slot->user != NULL)
        return;
    (void)strcpy(f->last_failure, "the launcher is unreachable");
    sch_slot_gone(gw->functions->sch, slot, true, gw_now_ns());
}

static void
retire_instance(struct gw *gw, struct sch_slot *slot)
{
    gw_locked struct gw *held = gw_lock(gw);

    gw_instance_retire(slot->user, slot->why);
}

static void
change_instance(struct gw *gw, struct sch_slot *slot)
{
    gw_locked struct gw *held = gw_lock(gw);

    gw_instance_paused(slot->user);
}

/* The client of a call that is refused as overloaded. */
static void
hold_client(const struct gw_call *call)
{
    int retry_after_s = sch_retry_after_s(&call->function->sch);
    uint32_t share_ms = (uint32_t)retry_after_s * 1000 / HOLD_SHARE;

    if (call->conn == NULL)
        return;
    call->conn->retry_after_s = retry_after_s;
    call->conn->hold_ms = share_ms < HOLD_MOST_MS ? share_ms : HOLD_MOST_MS;
}

static void
refuse_call(struct gw_loop *loop, struct gw_call *call, enum sch_reason reason)
{
    struct gw_function *f = call->function;
    int64_t waited = (gw_now_ns() - call->sch.arrived_ns) / MS;
    gw_locked struct gw *held = gw_lock(loop->gw);
    static const char *const why[] = {
        [SCH_QUEUE_FULL] = "the function's queue is full",
        [SCH_HOST_FULL] = "too many calls are waiting, of all functions",
        [SCH_QUEUE_TIMEOUT] = "no instance became free within queue_timeout",
    };

    if (reason == SCH_LAUNCH_FAILED && !f->deleting)
        gw_call_problem(call, GW_INIT_FAILED, NULL, "%s", f->last_failure);
    else if (reason == SCH_REMOVED || reason == SCH_LAUNCH_FAILED)
        gw_call_problem(call, GW_FUNCTION_NOT_FOUND, NULL, "the function was deleted");
    else {
        hold_client(call);
        gw_call_problem(call, GW_OVERLOADED,
                        json_pack("{s:i,s:i}", "queue", (int)f->sch.waiting.count, "instances",
                                  (int)sch_function_live(&f->sch)),
                        "%s (it waited %lld ms)", why[reason], (long long)waited);
    }
    gw_call_free(call);
}

static void
carry_out(struct gw_loop *loop, const struct sch_action *action)
{
    struct gw_call *call = (struct gw_call *)(void *)action->call;

    switch (action->type) {
    case SCH_DISPATCH:
        dispatch_call(loop, call, action->slot->user);
        break;
    case SCH_RECALL:
        recall_call(loop, call, action->slot);
        break;
    case SCH_LAUNCH:
        launch_instance(loop->gw, action->slot);
        break;
    case SCH_RETIRE:
        retire_instance(loop->gw, action->slot);
        break;
    case SCH_PAUSED:
        change_instance(loop->gw, action->slot);
        break;
    case SCH_REFUSE:
        refuse_call(loop, call, action->reason);
        break;
    }
}

/* Whether this loop must set its alarm, because the scheduler's next wake-up is earlier than every
 * loop's alarm. *at_ns: the time of the wake-up. */
static bool
claim_alarm(struct gw *gw, int64_t *at_ns)
{
    *at_ns = sch_wake_at(gw->functions->sch);
    if (*at_ns >= gw->calls->alarm_ns)
        return false;
    gw->calls->alarm_ns = *at_ns;
    return true;
}

static void set_alarm(struct gw_loop *loop, int64_t at_ns);

/* Takes this loop's next actions, wakes the other loops that have some, and sets the alarm. */
static unsigned
take_actions(struct gw_loop *loop, struct sch_action *actions, unsigned most)
{
    struct gw *gw = loop->gw;
    uint64_t others;
    int64_t at_ns;
    unsigned n = 0;
    bool ours;

    {
        gw_locked struct gw *held = gw_lock(gw);

        while (n < most && sch_next_action(gw->functions->sch, loop->lane, &actions[n]))
            n++;
        others = sch_lanes(gw->functions->sch) & ~(UINT64_C(1) << loop->lane);
        ours = claim_alarm(gw, &at_ns);
    }
    for (; others != 0; others &= others - 1)
        gw_wake_loop(gw->loops[__builtin_ctzll(others)]);
    if (ours)
        set_alarm(loop, at_ns);
    return n;
}

void
gw_dispatch(struct gw_loop *loop)
{
    struct sch_action actions[ACTIONS_AT_ONCE];
    unsigned n;

    if (loop->calls->acting)
        return; /* re-entered: the outer loop continues */
    loop->calls->acting = true;
    while ((n = take_actions(loop, actions, ACTIONS_AT_ONCE)) > 0)
        for (unsigned i = 0; i < n; i++)
            carry_out(loop, &actions[i]);
    loop->calls->acting = false;
}

/* ---- the scheduler's next wake-up ---- */

static void
on_alarm(uv_timer_t *alarm)
{
    struct gw_loop *loop = alarm->data;
    struct gw *gw = loop->gw;

    {
        gw_locked struct gw *held = gw_lock(gw);

        gw->calls->alarm_ns = INT64_MAX;
        sch_tick(gw->functions->sch, gw_now_ns());
    }
    gw_dispatch(loop);
}

static void
set_alarm(struct gw_loop *loop, int64_t at_ns)
{
    int64_t left_ns = at_ns - gw_now_ns();

    uv_update_time(loop->uv);
    (void)uv_timer_start(&loop->calls->alarm, on_alarm,
                         left_ns > 0 ? (uint64_t)(left_ns / MS + 1) : 0, 0);
}

int
gw_calls_attach(struct gw_loop *loop)
{
    struct gw_calls_loop *calls = calloc(1, sizeof *calls);

    if (calls == NULL)
        return -ENOMEM;
    loop->calls = calls;
    (void)uv_timer_init(loop->uv, &calls->alarm);
    calls->alarm.data = loop;
    gw_sleep_attach(loop);
    return 0;
}
