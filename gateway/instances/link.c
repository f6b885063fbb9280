/* link.c: the channel of one instance as one loop uses it. Nothing that a worker writes is trusted;
 * a worker that breaks the protocol is killed.
 * Invariant: `mine` is set from the first dispatched call until the scheduler, under the lock, has
 * no more calls of this loop for the instance.
 */
#include "link.h"

#include <errno.h>
#include <inttypes.h>
#include <sys/uio.h>
#include <unistd.h>

#include "container.h"
#include "events.h"
#include "function.h"
#include "instance.h"
#include "log.h"
#include "probe.h"
#include "scheduler.h"

#define FRAMES_PER_TURN 64
/* Frames that end no response are many and cost a write each. All instances together have this many
 * in a turn of the loop, and each of them at most so many. */
#define PIECES_PER_TURN 4
#define PIECES_OF_LINK  2

#define MAIN_BELL 1

/* A worker that writes its eventfd this often without a reason is muted for MUTE_MS. */
#define RINGS_FOR_NOTHING 16
#define MUTE_MS           20

/* ---- the eventfd ---- */

static void on_bell(uv_poll_t *poll, int status, int events);

static void
on_mute_over(struct gw_timer *timer)
{
    struct gw_link *link = container_of(timer, struct gw_link, muted);

    link->rings = 0;
    (void)uv_poll_start(&link->bell, UV_READABLE, on_bell);
    gw_link_poll(link);
    link->loop->gw->instances->events->decided(link->loop);
}

/* Stops polling the eventfd of a noisy worker for a moment, so that it cannot burn the gateway's
 * CPU time. */
static void
mute(struct gw_link *link)
{
    (void)uv_poll_stop(&link->bell);
    gw_timer_set(link->loop, &link->muted, MUTE_MS, on_mute_over);
}

static void
on_bell(uv_poll_t *poll, int status, int events)
{
    struct gw_link *link = poll->data;
    struct gw_loop *loop = link->loop;
    struct gw_instance *inst = link->inst;
    uint64_t count;
    const struct iovec into = {.iov_base = &count, .iov_len = sizeof count};

    (void)status;
    (void)events;
    /* whatever a worker has made of the open file, which it shares: this does not wait */
    (void)!preadv2(inst->bell_fds[loop->lane], &into, 1, -1, RWF_NOWAIT);
    link->rings =
        link->mine && (chan_ready(&inst->chan) || link->room_wanted > 0) ? 0 : link->rings + 1;
    if (link->rings > RINGS_FOR_NOTHING)
        mute(link);
    gw_link_poll(link);
    loop->gw->instances->events->decided(loop);
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
        gw_instance_kill(inst, SCH_END_CRASHED);
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
    gw_timer_unset(link->loop, &link->muted);
    uv_close((uv_handle_t *)&link->bell, on_bell_closed);
}

/* ---- ownership of the channel ---- */

void
gw_link_take(struct gw_link *link)
{
    struct gw_loop *loop = link->loop;

    if (link->mine)
        return;
    link->mine = true;
    gw_link_watch(link);
    chan_gateway_sleeps(&link->inst->chan, 0);
    link->prev = NULL;
    link->next = loop->instances->busy;
    if (link->next != NULL)
        link->next->prev = link;
    loop->instances->busy = link;
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

void
gw_link_give_up(struct gw_link *link)
{
    *(link->prev != NULL ? &link->prev->next : &link->loop->instances->busy) = link->next;
    if (link->next != NULL)
        link->next->prev = link->prev;
    link->next = link->prev = NULL;
    link->mine = link->unsent = link->blocked = false;
    link->room_wanted = 0;
    chan_gateway_sleeps(&link->inst->chan, MAIN_BELL);
    gw_link_wake(link);
}

/* The main loop owns the channel of an instance without calls. */
static bool
belongs_to_main(const struct gw_link *link)
{
    const struct sch_slot *slot = link->inst->slot;

    return link->loop->lane == 0 && (slot == NULL || slot->state != SCH_SLOT_BUSY);
}

/* ---- frames ---- */

static void
kill_for_protocol(struct gw_link *link, const char *why)
{
    struct gw_instance *inst = link->inst;

    gw_function_warn(inst->gw, inst->function,
                     "instance %" PRIu64 " broke the channel's protocol (%s): ending it", inst->id,
                     why);
    inst->broken = true;
    gw_instance_kill(inst, SCH_END_BROKE_PROTOCOL);
}

bool
gw_link_settle(struct gw_link *link)
{
    const struct sch_slot *slot = link->inst->slot;

    if (slot->state == SCH_SLOT_BUSY && slot->lane == link->loop->lane)
        return true;
    gw_link_give_up(link);
    return false;
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
        if (status == GW_FRAME_TAKEN)
            chan_consume(&link->inst->chan, frame);
        return status;
    case FRAME_TRIMMED:
        chan_consume(&link->inst->chan, frame);
        return gw_instance_trimmed(link->inst);
    case FRAME_PROFILED:
        return gw_instance_profiled(link->inst, frame);
    case FRAME_RESPONSE:
    case FRAME_BODY:
    case FRAME_FAILED:
        if (link->inst->probe != NULL && !link->mine)
            return gw_instance_probe_frame(link->inst, frame);
        return link->loop->gw->instances->events->frame(link, frame);
    default:
        return -EPROTO;
    }
}

/* ---- polling ---- */

void
gw_links_new_turn(struct gw_loop *loop)
{
    loop->instances->pieces_left = PIECES_PER_TURN;
}

/* Whether the frame may still be taken in this turn. */
static bool
has_turn(const struct gw_link *link, const struct frame *frame, unsigned pieces)
{
    if ((frame->header.flags & FRAME_END) != 0 || link->inst->drained)
        return true;
    return link->loop->instances->pieces_left > 0 && pieces < PIECES_OF_LINK;
}

/* The first in the next turn is one that got nothing in this one. */
static void
put_first(struct gw_link *link)
{
    struct gw_link **first = &link->loop->instances->busy;

    if (!link->mine || *first == link)
        return;
    link->prev->next = link->next;
    if (link->next != NULL)
        link->next->prev = link->prev;
    link->prev = NULL;
    link->next = *first;
    link->next->prev = link;
    *first = link;
}

/* The worker writes the eventfd in both cases, but only while the loop sleeps. */
bool
gw_link_has_work(struct gw_link *link)
{
    struct chan *chan = &link->inst->chan;

    if (link->blocked || link->inst->broken)
        return false;
    return chan_ready(chan) || (link->room_wanted > 0 && chan_room(chan) >= link->room_wanted);
}

void
gw_link_poll(struct gw_link *link)
{
    struct gw_instance *inst = link->inst;
    const struct gw_instance_events *events = inst->gw->instances->events;
    gw_locked struct gw *held = link->mine ? NULL : gw_lock(inst->gw);
    unsigned pieces = 0;
    bool waits = false;
    int status = 0;

    if ((!link->mine && !belongs_to_main(link)) || !inst->open)
        return;
    if (!link->mine)
        chan_gateway_sleeps(&inst->chan, MAIN_BELL); /* for what comes after this look */
    for (int i = 0; !inst->broken && !link->blocked && (i < FRAMES_PER_TURN || inst->drained);
         i++) {
        struct frame frame;

        status = chan_peek(&inst->chan, &frame);
        if (status == 1 && !has_turn(link, &frame, pieces)) {
            waits = pieces == 0;
            break;
        }
        if (status == 1 && (frame.header.flags & FRAME_END) == 0) {
            pieces++;
            link->loop->instances->pieces_left -= link->loop->instances->pieces_left > 0;
        }
        if (status == 1)
            status = take_frame(link, &frame);
        if (status != GW_FRAME_TAKEN)
            break;
    }
    if (status == GW_LINK_GONE)
        return;
    if (status < 0)
        kill_for_protocol(link, "an invalid frame");
    if (!link->mine)
        return;
    if (waits)
        put_first(link);
    if (!inst->drained)
        events->room(link);
    else if (!link->blocked)
        events->dead(link);
}
