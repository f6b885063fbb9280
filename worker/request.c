/* request.c: the request as it arrives, and the part of hearth.h for its body.
 *
 * A request of one frame is read in place, in the ring, and the frame is consumed when the call
 * ends. If more frames follow, the head is copied, and frames are consumed while the handler runs.
 */
#include "request.h"

#include <errno.h>
#include <string.h>

#include "api.h"
#include "bell.h"
#include "response.h"

#define GATHER_FIRST ((size_t)64 * 1024)

void
wrk_call_begin(struct hearth_call *call, const struct frame *frame)
{
    const unsigned char *payload = frame->payload;

    call->frame = *frame;
    call->serial = frame->header.serial;
    memcpy(&call->request, payload, sizeof call->request);
    call->chunk = payload + call->request.body_at;
    call->chunk_len = frame->len - call->request.body_at;
    if ((frame->header.flags & FRAME_END) != 0)
        call->chunk_len--; /* the NUL */
    call->body_state = (frame->header.flags & FRAME_END) != 0 ? WRK_BODY_END : WRK_BODY_MORE;
    call->held = call->body_state == WRK_BODY_END;
    call->chunk_held = !call->held;
    call->chunk_frame = *frame;
    call->strings = (const char *)payload + sizeof call->request;
    if (!call->held) {
        size_t n = call->request.body_at - sizeof call->request;
        char *copy = wrk_arena_take(call->arena, n);

        if (copy != NULL)
            memcpy(copy, call->strings, n);
        call->strings = copy;
    }
    call->is_head = call->strings != NULL && strcmp(call->strings, "HEAD") == 0;
}

static void
give_back_chunk(struct hearth_call *call)
{
    if (!call->chunk_held)
        return;
    chan_consume(call->chan, &call->chunk_frame);
    call->chunk_held = false;
    /* the gateway may wait for room in the ring */
    wrk_ring_bell(call->chan);
}

static void
take_frame(struct hearth_call *call, const struct frame *frame)
{
    call->chunk_frame = *frame;
    call->chunk_held = true;
    if (frame->header.type == FRAME_BODY) {
        call->chunk = frame->payload;
        call->chunk_len = frame->len;
        if ((frame->header.flags & FRAME_END) != 0)
            call->body_state = WRK_BODY_END;
        return;
    }
    call->chunk_len = 0;
    call->body_state = WRK_BODY_ABORTED;
    call->body_errno = EPIPE;
    if (frame->len == sizeof(int32_t)) {
        int32_t why;

        memcpy(&why, frame->payload, sizeof why);
        call->body_errno = why;
    }
}

/* Makes chunk_len positive and returns 1; 0 at the end of the body; -1 with errno. */
static int
next_chunk(struct hearth_call *call)
{
    while (call->chunk_len == 0) {
        struct frame frame;

        give_back_chunk(call);
        if (call->body_state == WRK_BODY_END)
            return 0;
        if (call->body_state == WRK_BODY_ABORTED) {
            errno = call->body_errno;
            return -1;
        }
        if (!chan_ready(call->chan))
            wrk_call_flush_before_wait(call);
        chan_worker_wait(call->chan, 0, call->serial);
        if (chan_peek(call->chan, &frame) == 1)
            take_frame(call, &frame);
        else if (wrk_call_cancelled(call)) { /* its frame did not fit yet */
            errno = atomic_load(&call->chan->shared->cancelled_why);
            return -1;
        }
    }
    return 1;
}

ssize_t
hearth_read(hearth_call *call, void *buf, size_t n)
{
    int status;

    if (call->body_lost) {
        errno = call->gather_errno;
        return -1;
    }
    status = n > 0 ? next_chunk(call) : 0;
    if (status <= 0)
        return status;
    call->body_read = true;
    if (n > call->chunk_len)
        n = call->chunk_len;
    memcpy(buf, call->chunk, n);
    call->chunk += n;
    call->chunk_len -= n;
    return (ssize_t)n;
}

/* For what the kernel charges besides: tables of pages, a page of the stack. */
#define HEADROOM ((size_t)128 * 1024)

/* Whether n more bytes fit in the memory of this instance: an error is better than to be killed
 * later. */
static bool
fits(size_t n)
{
    size_t limit = hearth_memory_limit(), used = hearth_memory_used();

    return used + HEADROOM < limit && n < limit - used - HEADROOM;
}

/* Makes room for n more bytes and a NUL. */
static bool
widen(struct hearth_call *call, size_t n)
{
    size_t room = call->gathered_room, wider = 2 * room + n;
    unsigned char *grown;

    if (room - call->gathered_len > n)
        return true;
    grown = wrk_block_grow(call->gathered, room, call->gathered_len, wider);
    if (grown == NULL)
        return false;
    call->gathered = grown;
    call->gathered_room = wider;
    return true;
}

/* Gathers the body in a block: of the declared length, or one that doubles. Large blocks are
 * mappings, so growing one copies nothing, and unused room takes no memory. 0 or an errno. */
static int
gather(struct hearth_call *call)
{
    bool declared = call->request.body_len >= 0;
    size_t room = declared ? (size_t)call->request.body_len + 1 : GATHER_FIRST;
    int status;

    if (declared && !fits(room))
        return ENOMEM;
    call->gathered = wrk_block_take(room);
    if (call->gathered == NULL)
        return ENOMEM;
    call->gathered_room = room;
    while ((status = next_chunk(call)) > 0) {
        if ((!declared && !fits(call->chunk_len)) || !widen(call, call->chunk_len))
            return ENOMEM;
        memcpy(call->gathered + call->gathered_len, call->chunk, call->chunk_len);
        call->gathered_len += call->chunk_len;
        call->chunk_len = 0;
    }
    if (status < 0)
        return errno;
    call->gathered[call->gathered_len] = '\0';
    return 0;
}

void
wrk_call_drop_body(struct hearth_call *call)
{
    wrk_block_give(call->gathered, call->gathered_room, call->gathered_len);
    call->gathered = NULL;
    call->gathered_room = call->gathered_len = 0;
}

static bool
make_whole(struct hearth_call *call)
{
    if (call->held) {
        call->whole = call->chunk;
        call->whole_len = call->chunk_len;
        return true;
    }
    if (call->gather_errno == 0)
        call->gather_errno = gather(call);
    if (call->gather_errno != 0) {
        call->body_lost = call->body_lost || call->gathered_len > 0;
        wrk_call_drop_body(call);
        errno = call->gather_errno;
        return false;
    }
    call->chunk = call->whole = call->gathered; /* hearth_read may still read it */
    call->chunk_len = call->whole_len = call->gathered_len;
    return true;
}

const void *
hearth_body(hearth_call *call, size_t *len)
{
    if (call->whole == NULL && call->body_read) {
        errno = EALREADY;
        return NULL;
    }
    if (call->whole == NULL && !make_whole(call))
        return NULL;
    if (len != NULL)
        *len = call->whole_len;
    return call->whole;
}

void *
wrk_call_take_body(struct hearth_call *call, size_t *len, size_t *room)
{
    const void *body = hearth_body(call, len);
    void *taken = call->gathered;

    *room = call->gathered_room;
    if (body == NULL || taken == NULL)
        return (void *)(uintptr_t)body;
    call->gathered = NULL;
    call->gathered_room = call->gathered_len = 0;
    call->whole = NULL;
    call->chunk_len = 0;
    call->body_read = true;
    return taken;
}

void
wrk_call_finish_request(struct hearth_call *call)
{
    wrk_call_drop_body(call);
    if (call->held) {
        chan_consume(call->chan, &call->frame);
        return;
    }
    call->chunk_len = 0;
    give_back_chunk(call);
    while (call->body_state == WRK_BODY_MORE) {
        struct frame frame;

        chan_worker_wait(call->chan, 0, 0);
        if (chan_peek(call->chan, &frame) == 1) {
            take_frame(call, &frame);
            call->chunk_len = 0;
            give_back_chunk(call);
        }
    }
}
