/* sleep.c: decides when a loop sleeps. Before a loop sleeps, every worker that has calls of it is
 * told to write the loop's eventfd. */
#include <sched.h>
#include <string.h>

#include "call.h"
#include "dispatch.h"
#include "instance.h"

/* see gather_more */
#define GATHER_LEAST 2
#define GATHER_MOST  48
#define GATHER_NS    INT64_C(60000)

/* see wake_workers */
#define NEAR_NS         INT64_C(5000)
#define TURNS_TO_SETTLE 64

/* see look_for_answer */
#define LOOK_NS      INT64_C(15000)
#define LOOK_CALLS   24  /* with more there is enough other work */
#define LOOK_TRUST   8   /* highest score */
#define LOOK_PENALTY 4   /* what a failure costs */
#define LOOK_PAUSE   256 /* lone calls until polling is tried again */

static void
poll_busy(struct gw_loop *loop)
{
    for (struct gw_link *link = loop->instances->busy, *next; link != NULL; link = next) {
        next = link->next;
        if (gw_link_has_work(link))
            gw_link_poll(link);
    }
    gw_dispatch(loop);
}

static bool
any_has_work(struct gw_loop *loop)
{
    for (struct gw_link *link = loop->instances->busy; link != NULL; link = link->next)
        if (gw_link_has_work(link))
            return true;
    return false;
}

/* The core that this loop has stayed on for a while, plus 1; 0 while it moves. */
static uint32_t
settled_core(struct gw_loop *loop)
{
    int core = sched_getcpu();

    if (core != loop->calls->core) {
        loop->calls->core = core;
        loop->calls->turns_on_core = 0;
    }
    if (core < 0 || loop->calls->turns_on_core < TURNS_TO_SETTLE)
        loop->calls->turns_on_core++;
    return core >= 0 && loop->calls->turns_on_core >= TURNS_TO_SETTLE ? (uint32_t)core + 1 : 0;
}

static void
hint_core(struct gw_link *link, uint32_t core)
{
    link->near = core != 0;
    chan_hint_core(&link->inst->chan, core);
}

/* Wakes each worker once for everything that this turn sent to it. Calls that are shorter than the
 * loop's own work per call run best on the loop's core: another core gains nothing, and waking it
 * costs more than the call. */
static void
wake_workers(struct gw_loop *loop)
{
    uint32_t core = loop->instances->busy != NULL ? settled_core(loop) : 0;

    for (struct gw_link *link = loop->instances->busy; link != NULL; link = link->next) {
        if (link->sent)
            hint_core(link, link->service_ns > 0 && link->service_ns <= NEAR_NS ? core : 0);
        gw_link_wake(link);
    }
    loop->calls->sent = loop->calls->sent_before = 0;
    loop->calls->gather_since_ns = 0;
}

static void
publish_sleeping(struct gw_loop *loop, bool asleep)
{
    uint32_t bell = asleep ? loop->lane + 1u : 0;

    for (struct gw_link *link = loop->instances->busy; link != NULL; link = link->next)
        chan_gateway_sleeps(&link->inst->chan, bell);
}

static void
on_spin(uv_idle_t *spin)
{
    (void)spin; /* an active idle handle keeps the loop from sleeping */
}

/* Whether to poll for more requests before the workers are woken. Under load the next requests
 * arrive soon, and one wake-up, which costs as much as a call, then serves all of them. Not for a
 * lone call, not if the last turn brought nothing new, and not for longer than GATHER_NS. */
static bool
gather_more(struct gw_loop *loop)
{
    uint32_t sent = loop->calls->sent;
    bool grew = sent > loop->calls->sent_before;

    loop->calls->sent_before = sent;
    if (sent < GATHER_LEAST || sent >= GATHER_MOST || !grew)
        return false;
    if (loop->calls->gather_since_ns == 0)
        loop->calls->gather_since_ns = gw_now_ns();
    return gw_now_ns() - loop->calls->gather_since_ns < GATHER_NS;
}

static void
pause_cpu(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#endif
}

/* Polls for a response for a few microseconds. If the worker's core is awake, a short call is
 * answered in that time, and polling costs both sides less than sleeping and waking. If that core
 * sleeps, polling fails; after some failures it stops, and is tried again later. Returns true if a
 * frame arrived. */
static bool
look_for_answer(struct gw_loop *loop)
{
    struct gw_link *link = loop->instances->busy;
    int64_t until;

    if (link == NULL || link->next != NULL || link->count < 1 || link->count > LOOK_CALLS ||
        !link->first->sch.stackable || link->service_ns > LOOK_NS)
        return false;
    if (link->near) /* on this core: it has run already, or runs when the loop sleeps */
        return chan_ready(&link->inst->chan);
    if (loop->calls->look_score < 0) {
        loop->calls->look_score++;
        return false;
    }
    until = gw_now_ns() + LOOK_NS;
    do {
        for (int i = 0; i < 16; i++) {
            if (chan_ready(&link->inst->chan)) {
                loop->calls->look_score =
                    loop->calls->look_score < LOOK_TRUST ? loop->calls->look_score + 1 : LOOK_TRUST;
                return true;
            }
            pause_cpu();
        }
    } while (gw_now_ns() < until);
    loop->calls->look_score -= LOOK_PENALTY;
    if (loop->calls->look_score < 0)
        loop->calls->look_score = -LOOK_PAUSE;
    return false;
}

/* Before the loop sleeps: takes the frames that are there, tells every busy worker to write the
 * eventfd, and checks once more. */
static void
on_prepare(uv_prepare_t *prepare)
{
    struct gw_loop *loop = prepare->data;

    gw_links_new_turn(loop);
    poll_busy(loop);
    if (gather_more(loop)) {
        (void)uv_idle_start(&loop->calls->spin, on_spin);
        return;
    }
    wake_workers(loop);
    if (look_for_answer(loop)) {
        poll_busy(loop);
        wake_workers(loop);
    }
    publish_sleeping(loop, true);
    if (any_has_work(loop))
        (void)uv_idle_start(&loop->calls->spin, on_spin);
    else
        (void)uv_idle_stop(&loop->calls->spin);
}

static void
on_check(uv_check_t *check)
{
    struct gw_loop *loop = check->data;

    publish_sleeping(loop, false);
    poll_busy(loop);
}

void
gw_sleep_attach(struct gw_loop *loop)
{
    struct gw_calls_loop *calls = loop->calls;

    (void)uv_prepare_init(loop->uv, &calls->prepare);
    (void)uv_check_init(loop->uv, &calls->check);
    (void)uv_idle_init(loop->uv, &calls->spin);
    calls->prepare.data = calls->check.data = loop;
    (void)uv_prepare_start(&calls->prepare, on_prepare);
    (void)uv_check_start(&calls->check, on_check);
}
