/* dispatch.c: carries out what the scheduler decides: the only file that knows
 * loop, channel, launcher and scheduler together. It also decides when the loop
 * may sleep: only after every worker that owes something was told to ring.
 */
#include <sched.h>
#include <string.h>

#include "calls/call.h"
#include "calls/instance.h"
#include "container.h"
#include "functions/function.h"
#include "gateway.h"
#include "http/connection.h"

#define MS INT64_C(1000000)

#define ACTIONS_AT_ONCE 16

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

/* ---- actions ---- */

/* Nothing more is given to the call's instance, and what was sent ahead behind the call is
 * taken back. Whether the worker runs the call still: one that had begun the next is done
 * with it, and its client is what takes so long. */
static bool
close_behind(struct gw_call *call)
{
    struct gw_instance *inst = call->instance;

    {
        gw_locked struct gw *held = gw_lock(inst->gw);

        if (inst->slot != NULL)
            sch_slot_doom(inst->gw->sch, inst->slot, gw_now_ns());
    }
    gw_dispatch(call->loop);
    return call->next == NULL;
}

/* The instance is told to end before the client is answered: with the answer the handler may
 * leave and the client's next call come, which must not meet an instance that is killed. */
static void
on_deadline(struct gw_timer *timer)
{
    struct gw_call *call = container_of(timer, struct gw_call, deadline);
    struct gw_link *link = &call->instance->links[call->loop->lane];
    uint64_t serial = call->serial;

    if (link->first != call) { /* not begun: not its fault */
        gw_timer_set(call->loop, timer, GW_WHEEL_TICK_MS, on_deadline);
        return;
    }
    gw_link_poll(link);
    if (link->first != call || call->serial != serial)
        return; /* its answer was there already */
    if (close_behind(call))
        gw_instance_kill(link->inst);
    gw_call_problem(
        call, GW_TIMEOUT, json_pack("{s:I}", "timeout_ms", (json_int_t)call->timeout_ms),
        "the call ran longer than the function's timeout of %lld ms", (long long)call->timeout_ms);
}

static void
dispatch(struct gw_loop *loop, struct gw_call *call, struct gw_instance *inst)
{
    struct gw_link *link = &inst->links[loop->lane];
    struct gw_call *before = link->last;

    gw_link_take(link, call);
    loop->sent++;
    gw_timer_set(loop, &call->deadline, call->timeout_ms, on_deadline);
    /* sent in order, each in one piece: one that cannot be is sent by
     * gw_link_poll when there is room */
    if (before != NULL && (!gw_call_keep_whole(call) || !before->end_sent)) {
        link->unsent = true;
        return;
    }
    gw_call_pump(call);
    link->unsent = link->unsent || (before != NULL && !call->end_sent);
}

/* Takes a call that was sent ahead back, where its instance has not begun it. */
static void
recall(struct gw_loop *loop, struct gw_call *call, struct sch_slot *slot)
{
    struct sch *sch = loop->gw->sch;
    gw_locked struct gw *held = gw_lock(loop->gw);

    struct gw_link *link;

    if (call->sch.slot != slot || call->sch.state != SCH_CALL_RUNNING ||
        (slot->runs.head == &call->sch && !slot->doomed))
        return; /* it is the first by now: it runs */
    if (call->head_sent && !chan_revoke(&call->instance->chan, call->position))
        return;
    link = &call->instance->links[loop->lane];
    gw_link_remove(link, call);
    gw_call_unsend(call);
    sch_call_recalled(sch, &call->sch, gw_now_ns());
    (void)gw_link_settle(link);
    if (call->conn == NULL && call->sch.state == SCH_CALL_WAITING) {
        sch_call_gone(sch, &call->sch, gw_now_ns()); /* nobody waits for it any more */
        gw_call_free(call);
    }
}

static void
launch(struct gw *gw, struct sch_slot *slot)
{
    gw_locked struct gw *held = gw_lock(gw);
    struct gw_function *f = container_of(slot->function, struct gw_function, sch);

    slot->user = gw_instance_launch(gw, f, f->live, false, slot, NULL);
    if (slot->user != NULL)
        return;
    (void)strcpy(f->last_failure, "the launcher cannot be reached");
    sch_slot_gone(gw->sch, slot, true, gw_now_ns());
}

static void
retire(struct gw *gw, struct sch_slot *slot)
{
    gw_locked struct gw *held = gw_lock(gw);

    gw_instance_retire(slot->user);
}

static void
refuse(struct gw_loop *loop, struct gw_call *call, enum sch_reason reason)
{
    struct gw_function *f = call->function;
    int64_t waited = (gw_now_ns() - call->sch.arrived_ns) / MS;
    gw_locked struct gw *held = gw_lock(loop->gw);
    static const char *const why[] = {
        [SCH_QUEUE_FULL] = "the function's queue is full",
        [SCH_HOST_FULL] = "too many calls of all functions wait",
        [SCH_QUEUE_TIMEOUT] = "no instance was free within queue_timeout",
    };

    if (call->conn != NULL)
        call->conn->retry_after_s = sch_retry_after_s(&f->sch);
    if (reason == SCH_LAUNCH_FAILED && !f->deleting)
        gw_call_problem(call, GW_INIT_FAILED, NULL, "%s", f->last_failure);
    else if (reason == SCH_REMOVED || reason == SCH_LAUNCH_FAILED)
        gw_call_problem(call, GW_FUNCTION_NOT_FOUND, NULL, "the function was deleted");
    else
        gw_call_problem(call, GW_OVERLOADED,
                        json_pack("{s:i,s:i}", "queue", (int)f->sch.waiting.count, "instances",
                                  (int)sch_function_live(&f->sch)),
                        "%s (it waited %lld ms)", why[reason], (long long)waited);
    gw_call_free(call);
}

static void
carry_out(struct gw_loop *loop, const struct sch_action *action)
{
    struct gw_call *call = (struct gw_call *)(void *)action->call;

    switch (action->type) {
    case SCH_DISPATCH:
        dispatch(loop, call, action->slot->user);
        break;
    case SCH_RECALL:
        recall(loop, call, action->slot);
        break;
    case SCH_LAUNCH:
        launch(loop->gw, action->slot);
        break;
    case SCH_RETIRE:
        retire(loop->gw, action->slot);
        break;
    case SCH_REFUSE:
        refuse(loop, call, action->reason);
        break;
    }
}

/* Where the scheduler's next moment has come nearer than every loop's alarm, it is
 * this loop's to set. True with the moment in *at_ns. */
static bool
alarm_is_ours(struct gw *gw, int64_t *at_ns)
{
    *at_ns = sch_wake_at(gw->sch);
    if (*at_ns >= gw->alarm_ns)
        return false;
    gw->alarm_ns = *at_ns;
    return true;
}

static void set_alarm(struct gw_loop *loop, int64_t at_ns);

/* Takes this loop's next actions, wakes the loops that have some, and sets the alarm. */
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

        while (n < most && sch_next_action(gw->sch, loop->lane, &actions[n]))
            n++;
        others = sch_lanes(gw->sch) & ~(UINT64_C(1) << loop->lane);
        ours = alarm_is_ours(gw, &at_ns);
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

    if (loop->acting)
        return; /* the loop below comes to it */
    loop->acting = true;
    while ((n = take_actions(loop, actions, ACTIONS_AT_ONCE)) > 0)
        for (unsigned i = 0; i < n; i++)
            carry_out(loop, &actions[i]);
    loop->acting = false;
}

/* ---- the scheduler's next moment ---- */

static void
on_alarm(uv_timer_t *alarm)
{
    struct gw_loop *loop = alarm->data;
    struct gw *gw = loop->gw;

    {
        gw_locked struct gw *held = gw_lock(gw);

        gw->alarm_ns = INT64_MAX;
        sch_tick(gw->sch, gw_now_ns());
    }
    gw_dispatch(loop);
}

static void
set_alarm(struct gw_loop *loop, int64_t at_ns)
{
    int64_t left_ns = at_ns - gw_now_ns();

    uv_update_time(loop->uv);
    (void)uv_timer_start(&loop->alarm, on_alarm, left_ns > 0 ? (uint64_t)(left_ns / MS + 1) : 0, 0);
}

/* ---- sleeping and waking ---- */

/* Frames to take, or room for what could not be sent: a worker rings for either,
 * but only while the loop sleeps. */
static bool
has_work(struct gw_link *link)
{
    struct chan *chan = &link->inst->chan;

    if (link->blocked || link->inst->broken)
        return false;
    return chan_ready(chan) || (link->room_wanted > 0 && chan_room(chan) >= link->room_wanted);
}

static void
poll_busy(struct gw_loop *loop)
{
    for (struct gw_link *link = loop->busy, *next; link != NULL; link = next) {
        next = link->next;
        if (has_work(link))
            gw_link_poll(link);
    }
    gw_dispatch(loop);
}

static bool
any_has_work(struct gw_loop *loop)
{
    for (struct gw_link *link = loop->busy; link != NULL; link = link->next)
        if (has_work(link))
            return true;
    return false;
}

/* The core that this loop has kept to for a while, from 1; 0 while it moves. */
static uint32_t
settled_core(struct gw_loop *loop)
{
    int core = sched_getcpu();

    if (core != loop->core) {
        loop->core = core;
        loop->turns_on_core = 0;
    }
    if (core < 0 || loop->turns_on_core < TURNS_TO_SETTLE)
        loop->turns_on_core++;
    return core >= 0 && loop->turns_on_core >= TURNS_TO_SETTLE ? (uint32_t)core + 1 : 0;
}

static void
hint(struct gw_link *link, uint32_t core)
{
    link->near = core != 0;
    chan_hint_core(&link->inst->chan, core);
}

/* One wake-up for all that this turn of the loop sent to a worker. Calls that are
 * shorter than what this loop does for each are best run on its own core: nothing
 * is gained by the other one, and waking it costs more than they do. */
static void
wake_workers(struct gw_loop *loop)
{
    uint32_t core = loop->busy != NULL ? settled_core(loop) : 0;

    for (struct gw_link *link = loop->busy; link != NULL; link = link->next) {
        if (link->sent)
            hint(link, link->service_ns > 0 && link->service_ns <= NEAR_NS ? core : 0);
        gw_link_wake(link);
    }
    loop->sent = loop->sent_before = 0;
    loop->gather_since_ns = 0;
}

static void
say_asleep(struct gw_loop *loop, bool asleep)
{
    uint32_t bell = asleep ? loop->lane + 1u : 0;

    for (struct gw_link *link = loop->busy; link != NULL; link = link->next)
        chan_gateway_sleeps(&link->inst->chan, bell);
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
gather_more(struct gw_loop *loop)
{
    uint32_t sent = loop->sent;
    bool grew = sent > loop->sent_before;

    loop->sent_before = sent;
    if (sent < GATHER_LEAST || sent >= GATHER_MOST || !grew)
        return false;
    if (loop->gather_since_ns == 0)
        loop->gather_since_ns = gw_now_ns();
    return gw_now_ns() - loop->gather_since_ns < GATHER_NS;
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
look_for_answer(struct gw_loop *loop)
{
    struct gw_link *link = loop->busy;
    int64_t until;

    if (link == NULL || link->next != NULL || link->count < 1 || link->count > LOOK_CALLS ||
        !link->first->sch.stackable || link->service_ns > LOOK_NS)
        return false;
    if (link->near) /* on this very core: it has run already, or runs when we sleep */
        return chan_ready(&link->inst->chan);
    if (loop->look_score < 0) {
        loop->look_score++;
        return false;
    }
    until = gw_now_ns() + LOOK_NS;
    do {
        for (int i = 0; i < 16; i++) {
            if (chan_ready(&link->inst->chan)) {
                loop->look_score =
                    loop->look_score < LOOK_TRUST ? loop->look_score + 1 : LOOK_TRUST;
                return true;
            }
            relax();
        }
    } while (gw_now_ns() < until);
    loop->look_score -= LOOK_PENALTY;
    if (loop->look_score < 0)
        loop->look_score = -LOOK_PAUSE;
    return false;
}

/* Before the loop sleeps: take what is there, tell every worker that owes us
 * something to ring, and look once more. */
static void
on_prepare(uv_prepare_t *prepare)
{
    struct gw_loop *loop = prepare->data;

    poll_busy(loop);
    if (gather_more(loop)) {
        (void)uv_idle_start(&loop->spin, on_spin);
        return;
    }
    wake_workers(loop);
    if (look_for_answer(loop)) {
        poll_busy(loop);
        wake_workers(loop);
    }
    say_asleep(loop, true);
    if (any_has_work(loop))
        (void)uv_idle_start(&loop->spin, on_spin);
    else
        (void)uv_idle_stop(&loop->spin);
}

static void
on_check(uv_check_t *check)
{
    struct gw_loop *loop = check->data;

    say_asleep(loop, false);
    poll_busy(loop);
}

void
gw_dispatch_attach(struct gw_loop *loop)
{
    uv_loop_t *uv = loop->uv;

    (void)uv_timer_init(uv, &loop->alarm);
    (void)uv_prepare_init(uv, &loop->prepare);
    (void)uv_check_init(uv, &loop->check);
    (void)uv_idle_init(uv, &loop->spin);
    loop->alarm.data = loop->prepare.data = loop->check.data = loop;
    (void)uv_prepare_start(&loop->prepare, on_prepare);
    (void)uv_check_start(&loop->check, on_check);
}
