/* link.c: the channel of one instance in the hands of one loop: calls in, answers
 * out, and what becomes of both when the worker dies. Everything a worker writes is
 * hostile: a worker that breaks the protocol is ended.
 * Invariant: `mine` from the first call that is given until the scheduler, under the
 * lock, has no more calls of this loop for the instance.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "calls/call.h"
#include "calls/instance.h"
#include "container.h"
#include "functions/function.h"
#include "gateway.h"
#include "http/connection.h"
#include "log.h"

#define FRAMES_PER_TURN 64
#define GONE            2 /* a frame was taken, and the channel given up */
#define MAIN_BELL       1
#define UNBEGUN_MOST    3

/* how often a worker may ring for nothing before it is hushed, and for how long */
#define RINGS_FOR_NOTHING 16
#define HUSH_MS           20

/* ---- the bell ---- */

static void on_bell(uv_poll_t *poll, int status, int events);

static void
on_hush_over(struct gw_timer *timer)
{
    struct gw_link *link = container_of(timer, struct gw_link, hushed);

    link->rings = 0;
    (void)uv_poll_start(&link->bell, UV_READABLE, on_bell);
    gw_link_poll(link);
    gw_dispatch(link->loop);
}

/* A worker that rings for nothing is not listened to for a moment: its noise is to
 * cost it, and not the gateway. */
static void
hush(struct gw_link *link)
{
    (void)uv_poll_stop(&link->bell);
    gw_timer_set(link->loop, &link->hushed, HUSH_MS, on_hush_over);
}

static void
on_bell(uv_poll_t *poll, int status, int events)
{
    struct gw_link *link = poll->data;
    struct gw_loop *loop = link->loop;
    struct gw_instance *inst = link->inst;
    uint64_t count;

    (void)status;
    (void)events;
    (void)!read(inst->bell_fds[loop->lane], &count, sizeof count);
    link->rings =
        link->mine && (chan_ready(&inst->chan) || link->room_wanted > 0) ? 0 : link->rings + 1;
    if (link->rings > RINGS_FOR_NOTHING)
        hush(link);
    gw_link_poll(link);
    gw_dispatch(loop);
}

void
gw_link_watch(struct gw_link *link)
{
    struct gw_instance *inst = link->inst;
    int status;

    if (link->watched)
        return;
    link->bell.data = link;
    status = uv_poll_init(link->loop->uv, &link->bell, inst->bell_fds[link->loop->lane]);
    if (status == 0)
        status = uv_poll_start(&link->bell, UV_READABLE, on_bell);
    if (status < 0) {
        gw_function_warn(inst->gw, inst->function,
                         "instance %" PRIu64 ": its eventfd cannot be watched (%s): ending it",
                         inst->id, uv_strerror(status));
        gw_instance_kill(inst);
        return;
    }
    gw_instance_hold(inst);
    link->watched = true;
}

static void
on_bell_closed(uv_handle_t *handle)
{
    gw_instance_let_go(((struct gw_link *)handle->data)->inst);
}

void
gw_link_close(struct gw_link *link)
{
    if (!link->watched)
        return;
    link->watched = false;
    gw_timer_unset(link->loop, &link->hushed);
    uv_close((uv_handle_t *)&link->bell, on_bell_closed);
}

/* ---- whose channel it is ---- */

void
gw_link_take(struct gw_link *link, struct gw_call *call)
{
    struct gw_loop *loop = link->loop;

    call->instance = link->inst;
    call->next = NULL;
    *(link->last != NULL ? &link->last->next : &link->first) = call;
    link->last = call;
    link->count++;
    link->service_ns = call->sch.expected_ns;
    if (link->mine)
        return;
    link->mine = true;
    gw_link_watch(link);
    chan_gateway_sleeps(&link->inst->chan, 0);
    link->prev = NULL;
    link->next = loop->busy;
    if (link->next != NULL)
        link->next->prev = link;
    loop->busy = link;
}

void
gw_link_remove(struct gw_link *link, struct gw_call *call)
{
    struct gw_call *before = NULL;

    for (struct gw_call *c = link->first; c != call; c = c->next)
        before = c;
    *(before != NULL ? &before->next : &link->first) = call->next;
    if (link->last == call)
        link->last = before;
    call->next = NULL;
    link->count--;
}

void
gw_link_wake(struct gw_link *link)
{
    if (link->sent && link->inst->open)
        chan_wake_worker(&link->inst->chan);
    else if (link->made_room && link->inst->open)
        chan_wake_worker_for_room(&link->inst->chan);
    link->sent = link->made_room = false;
}

/* With the lock held: from its end on another loop may have the channel. */
static void
give_up(struct gw_link *link)
{
    *(link->prev != NULL ? &link->prev->next : &link->loop->busy) = link->next;
    if (link->next != NULL)
        link->next->prev = link->prev;
    link->next = link->prev = NULL;
    link->mine = link->unsent = link->blocked = false;
    link->room_wanted = 0;
    chan_gateway_sleeps(&link->inst->chan, MAIN_BELL);
    gw_link_wake(link);
}

/* An instance that runs nothing is the main loop's. */
static bool
is_main_loop_s(const struct gw_link *link)
{
    const struct sch_slot *slot = link->inst->slot;

    return link->loop->lane == 0 && (slot == NULL || slot->state != SCH_SLOT_BUSY);
}

/* ---- its frames ---- */

static void
break_off(struct gw_link *link, const char *why)
{
    struct gw_instance *inst = link->inst;

    gw_function_warn(inst->gw, inst->function,
                     "instance %" PRIu64 " broke the channel's protocol (%s): ending it", inst->id,
                     why);
    inst->broken = true;
    gw_instance_kill(inst);
}

bool
gw_link_settle(struct gw_link *link)
{
    const struct sch_slot *slot = link->inst->slot;

    if (slot->state == SCH_SLOT_BUSY && slot->lane == link->loop->lane)
        return true;
    give_up(link);
    return false;
}

/* Both sides are done with the call: the slot is free for the next. False where the
 * channel was given up with it. */
static bool
complete_call(struct gw_link *link, struct gw_call *call)
{
    struct gw_instance *inst = link->inst;
    struct gw_function *f = inst->function;
    struct gw *gw = inst->gw;
    bool mine;

    {
        gw_locked struct gw *held = gw_lock(gw);
        int64_t now = gw_now_ns();

        inst->calls++;
        f->run_ns_total += (uint64_t)(now - call->sch.started_ns);
        f->queue_ns_total += (uint64_t)(call->sch.started_ns - call->sch.arrived_ns);
        if (inst->full) /* what was sent ahead is taken back: it begins none of it */
            sch_slot_doom(gw->sch, inst->slot, now);
        gw_link_remove(link, call);
        sch_call_done(gw->sch, &call->sch, now);
        mine = gw_link_settle(link);
        gw_call_free(call);
    }
    return mine;
}

/* The response is whole. Where the function did not read all of the body, the
 * worker still waits for its end, and the call is complete once it was sent. */
static int
finish_call(struct gw_link *link, struct gw_call *call, bool cut)
{
    struct gw_conn *conn = call->conn;
    bool mine = true;

    call->conn = NULL;
    if (conn != NULL)
        conn->exchange = NULL;
    if (cut && conn != NULL)
        gw_function_count_error(link->inst->gw, call->function, GW_FUNCTION_FAILED);
    if (!call->end_sent)
        gw_call_detach(call, EPIPE);
    call->finished = true;
    if (call->end_sent)
        mine = complete_call(link, call);
    if (conn != NULL && cut)
        gw_conn_cut(conn);
    else if (conn != NULL)
        gw_conn_responded(conn);
    return mine ? 1 : GONE;
}

static int
call_failed(struct gw_call *call, const struct frame *frame)
{
    int32_t returned;

    if (frame->len != sizeof returned || (frame->header.flags & FRAME_END) == 0 ||
        call->response_begun)
        return -EPROTO;
    memcpy(&returned, frame->payload, sizeof returned);
    gw_call_problem(call, GW_FUNCTION_FAILED, json_pack("{s:i}", "returned", returned),
                    "hearth_handle returned %d before it sent a response", returned);
    return 1;
}

/* The slow client has taken what there was, or has gone. */
static void
on_taken(struct gw_write_waiter *waiter)
{
    struct gw_link *link = container_of(waiter, struct gw_link, taken);

    link->blocked = false;
    gw_link_poll(link);
}

static int
call_frame(struct gw_link *link, const struct frame *frame)
{
    struct gw_call *call = link->first;
    struct gw_conn *conn;
    int status;

    if (call == NULL || call->serial != frame->header.serial || !call->head_sent || call->finished)
        return -EPROTO;
    conn = call->conn;
    status = frame->header.type == FRAME_FAILED ? call_failed(call, frame)
                                                : gw_response_frame(call, frame);
    if (status < 0)
        return status;
    chan_consume(&link->inst->chan, frame);
    link->made_room = true;
    if ((frame->header.flags & FRAME_FULL) != 0)
        link->inst->full = true;
    if ((frame->header.flags & FRAME_END) != 0)
        return finish_call(link, call,
                           (frame->header.flags & FRAME_CUT) != 0 || call->declared_left > 0);
    if (status == 0 && conn != NULL && !conn->closing && conn->writes > 0) {
        link->taken.done = on_taken;
        conn->write_waiter = &link->taken;
        link->blocked = true;
    }
    return 1;
}

static int
take_frame(struct gw_link *link, const struct frame *frame)
{
    int status;

    switch (frame->header.type) {
    case FRAME_READY:
    case FRAME_UNFIT:
        if (link->mine)
            return -EPROTO;
        status = gw_instance_start_frame(link->inst, frame);
        if (status == 1)
            chan_consume(&link->inst->chan, frame);
        return status;
    case FRAME_RESPONSE:
    case FRAME_BODY:
    case FRAME_FAILED:
        return call_frame(link, frame);
    default:
        return -EPROTO;
    }
}

/* Sends the calls that found no room, in their order. */
static void
send_unsent(struct gw_link *link)
{
    link->unsent = false;
    for (struct gw_call *c = link->first; c != NULL && !link->unsent; c = c->next) {
        if (c != link->first && !c->head_sent && !gw_call_keep_whole(c))
            link->unsent = true;
        else if (!c->end_sent)
            gw_call_pump(c);
        link->unsent = link->unsent || !c->end_sent;
    }
}

/* ---- death ---- */

/* Whether the first call was sent, but the instance died without having begun it:
 * then another one runs it, and its client hears of nothing. A worker that lies takes
 * its claim back and dies, again and again: so that is believed a few times only. */
static bool
never_begun(struct gw_instance *inst, struct gw_call *call)
{
    if (call->conn == NULL || call->response_begun || !call->resendable || inst->broken ||
        call->unbegun == UNBEGUN_MOST)
        return false;
    if (call->head_sent && !chan_revoke(&inst->chan, call->position))
        return false;
    call->unbegun++;
    return true;
}

/* The first call is answered, the others wait again; then the instance is the main
 * loop's to bury. */
static void
bury_calls(struct gw_link *link)
{
    struct gw_instance *inst = link->inst;
    struct gw_call *call = link->first;
    struct gw *gw = inst->gw;
    bool lost = call != NULL && !never_begun(inst, call);

    if (lost && call->conn != NULL)
        gw_instance_answer_death(inst, call);
    {
        gw_locked struct gw *held = gw_lock(gw);

        if (lost) {
            gw_link_remove(link, call);
            sch_call_lost(gw->sch, &call->sch);
            call->instance = NULL;
            gw_call_free(call);
        }
        while (link->first != NULL) {
            call = link->first;
            gw_link_remove(link, call);
            gw_call_unsend(call);
        }
        sch_slot_gone(gw->sch, inst->slot, false, gw_now_ns());
        inst->slot = NULL;
        give_up(link);
    }
    gw_instance_calls_ended(inst);
}

/* ---- polling ---- */

/* What can be sent now, of the call that runs and of those behind it. */
static void
send_more(struct gw_link *link)
{
    struct gw_call *call = link->first;

    link->room_wanted = 0;
    if (call != NULL && !call->end_sent)
        gw_call_pump(call);
    if (call != NULL && call->finished && call->end_sent && !complete_call(link, call))
        return;
    if (link->unsent)
        send_unsent(link);
}

void
gw_link_poll(struct gw_link *link)
{
    struct gw_instance *inst = link->inst;
    gw_locked struct gw *held = link->mine ? NULL : gw_lock(inst->gw);
    int status = 0;

    if ((!link->mine && !is_main_loop_s(link)) || !inst->open)
        return;
    for (int i = 0; !inst->broken && !link->blocked && (i < FRAMES_PER_TURN || inst->dead); i++) {
        struct frame frame;

        status = chan_peek(&inst->chan, &frame);
        if (status == 1)
            status = take_frame(link, &frame);
        if (status != 1)
            break;
    }
    if (status == GONE)
        return;
    if (status < 0)
        break_off(link, "a frame that cannot be");
    if (!link->mine)
        return;
    if (!inst->dead)
        send_more(link);
    else if (!link->blocked)
        bury_calls(link);
}
