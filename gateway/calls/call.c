/* call.c: sends one call to an instance: head and body into the ring.
 *
 * A small request is sent as one frame. A larger body is streamed: bytes that do not fit into the
 * ring wait in the call's stash, which holds at most one read of the socket. The client's socket is
 * not read until the stash is empty. This is the only backpressure.
 */
#include "call.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "answer.h"
#include "connection.h"
#include "dispatch.h"
#include "function.h"
#include "instance.h"
#include "loop.h"

#define NS_PER_MS  INT64_C(1000000)
#define AHEAD_BODY 8192 /* a call with a larger body is never sent ahead */

struct gw_call *
gw_call_new(struct gw_conn *conn, struct gw_function *function)
{
    struct gw_loop *loop = conn->loop;
    struct gw_call *call = loop->calls->free_calls;

    if (call != NULL)
        loop->calls->free_calls = call->next;
    else if ((call = malloc(sizeof *call)) == NULL)
        return NULL;
    memset(call, 0, offsetof(struct gw_call, id));
    call->loop = loop;
    call->sch.lane = loop->lane;
    call->conn = conn;
    call->function = function;
    call->timeout_ms = function->sch.settings.timeout_ms;
    call->max_body = function->sch.settings.max_body;
    call->reports_memory = conn->wants_memory;
    /* serials are unique over all loops: an instance may run calls of several */
    call->serial = ++loop->calls->next_serial * LIMIT_THREADS + loop->lane;
    memcpy(call->id, conn->call_id, sizeof call->id);
    call->head = conn->head;
    memcpy(call->head->bytes, &conn->request, sizeof conn->request);
    conn->head = NULL;
    function->refs++;
    function->calls++;
    return call;
}

void
gw_call_free(struct gw_call *call)
{
    struct gw_loop *loop = call->loop;

    gw_timer_unset(loop, &call->deadline);
    gw_pool_give(&loop->pool, call->head);
    gw_pool_give(&loop->pool, call->stash);
    {
        gw_locked struct gw *held = gw_lock(loop->gw);

        gw_function_release(loop->gw, call->function);
    }
    call->next = loop->calls->free_calls;
    loop->calls->free_calls = call;
}

/* ---- receiving the body ---- */

static bool
stash(struct gw_call *call, const unsigned char *bytes, size_t n)
{
    struct gw_buffer *buffer = call->stash;

    if (buffer == NULL)
        buffer = call->stash = gw_pool_take(&call->loop->pool, GW_READ_BYTES);
    else if (buffer->len + n > buffer->size && buffer->at > 0) {
        memmove(buffer->bytes, buffer->bytes + buffer->at, buffer->len - buffer->at);
        buffer->len -= buffer->at;
        buffer->at = 0;
    }
    if (buffer == NULL || buffer->len + n > buffer->size)
        return false;
    memcpy(buffer->bytes + buffer->len, bytes, n);
    buffer->len += (uint32_t)n;
    return true;
}

/* The first piece of a body may stay in the read buffer if the call is sent in the same turn.
 * Everything else is copied to the stash. */
static bool
settle_body(struct gw_call *call)
{
    const unsigned char *body = call->body;
    size_t n = call->body_len;

    call->body = NULL;
    call->body_len = 0;
    if (n == 0 || stash(call, body, n))
        return true;
    gw_call_problem(call, GW_INTERNAL, NULL, "no memory for the body");
    return false;
}

static bool
too_large(struct gw_call *call, size_t n)
{
    int64_t limit = call->max_body;

    call->body_seen += (int64_t)n;
    if (call->body_seen <= limit)
        return false;
    gw_call_problem(call, GW_BODY_TOO_LARGE, json_pack("{s:I}", "limit", (json_int_t)limit),
                    "the body exceeds the function's max_body of %lld bytes", (long long)limit);
    return true;
}

void
gw_call_body(struct gw_call *call, const unsigned char *bytes, size_t n)
{
    if (too_large(call, n))
        return;
    if (!call->submitted && call->body_len == 0 && call->stash == NULL) {
        call->body = bytes;
        call->body_len = n;
        return;
    }
    if (!settle_body(call))
        return;
    call->body = bytes;
    call->body_len = n;
    if (!settle_body(call) || !call->submitted)
        return;
    if (call->instance == NULL)
        gw_conn_read_stop(call->conn);
    else
        gw_call_pump(call);
}

void
gw_call_body_end(struct gw_call *call)
{
    call->body_complete = true;
    if (call->submitted)
        gw_call_pump(call);
}

void
gw_call_submit(struct gw_call *call)
{
    struct gw_conn *conn = call->conn;
    struct gw_loop *loop = call->loop;

    call->submitted = true;
    call->resendable = call->body_complete && call->stash == NULL && call->body_len == 0;
    call->sch.stackable = call->body_complete && call->stash == NULL &&
                          call->body_len <= AHEAD_BODY &&
                          !call->reports_memory; /* nothing else runs while it is measured */
    call->sch.bytes = call->head->size + call->body_len;
    if (call->stash != NULL)
        call->sch.bytes += call->stash->size;
    {
        gw_locked struct gw *held = gw_lock(loop->gw);

        sch_call_arrived(loop->gw->functions->sch, &call->function->sch, &call->sch, gw_now_ns());
    }
    gw_dispatch(loop);
    if (conn->exchange != call)
        return; /* it has been refused and freed */
    /* the read buffer is about to be reused: copy what was not sent */
    if (settle_body(call) && call->instance == NULL && !call->body_complete)
        gw_conn_read_stop(conn);
}

/* ---- sending ---- */

bool
gw_call_keep_whole(struct gw_call *call)
{
    struct gw_buffer *head = call->head, *stashed = call->stash;

    if (stashed != NULL && call->body_len == 0) {
        call->body = stashed->bytes + stashed->at;
        call->body_len = stashed->len - stashed->at;
    }
    call->resendable = call->body_len == 0;
    if (call->resendable)
        return true;
    if (head->len + call->body_len > head->size) {
        struct gw_buffer *wider = gw_pool_take(&call->loop->pool, head->len + call->body_len);

        if (wider == NULL && stashed != NULL) { /* the body stays only in the stash */
            call->body = NULL;
            call->body_len = 0;
        }
        if (wider == NULL)
            return false;
        memcpy(wider->bytes, head->bytes, head->len);
        wider->len = head->len;
        gw_pool_give(&call->loop->pool, head);
        call->head = head = wider;
    }
    memcpy(head->bytes + head->len, call->body, call->body_len);
    head->len += (uint32_t)call->body_len;
    call->body = NULL;
    call->body_len = 0;
    gw_pool_give(&call->loop->pool, stashed);
    call->stash = NULL;
    call->resendable = true;
    return true;
}

void
gw_call_unsend(struct gw_call *call)
{
    call->instance = NULL;
    call->head_sent = call->end_sent = false;
    gw_timer_unset(call->loop, &call->deadline);
}

/* Upper bound for the size of a frame with the head. The body is included if it fits, and a NUL if
 * it is complete. */
static size_t
head_frame_len(const struct gw_call *call)
{
    return call->head->len + (call->body_len <= LIMIT_FRAME_BODY ? call->body_len : 0) + 1;
}

static void
send_head(struct gw_call *call)
{
    struct chan *chan = &call->instance->chan;
    struct gw_buffer *head = call->head;
    uint64_t deadline = (uint64_t)(call->sch.started_ns + call->timeout_ms * NS_PER_MS);
    size_t body = call->body_len <= LIMIT_FRAME_BODY ? call->body_len : 0;
    bool whole = call->body_complete && body == call->body_len && call->stash == NULL;
    unsigned char *payload = chan_reserve(chan, head_frame_len(call));

    if (payload == NULL)
        return; /* tried again when the worker has freed space */
    memcpy(payload, head->bytes, head->len);
    memcpy(payload + offsetof(struct frame_request, deadline_ns), &deadline, sizeof deadline);
    if (body > 0)
        memcpy(payload + head->len, call->body, body);
    if (whole)
        payload[head->len + body] = '\0';
    if (body == call->body_len) {
        call->body = NULL;
        call->body_len = 0;
    }
    call->position = chan_commit(chan, FRAME_REQUEST, whole ? FRAME_END : 0, call->serial,
                                 head->len + body + whole);
    call->head_sent = true;
    call->end_sent = whole;
}

/* Sends one frame from the stash. Returns false if nothing can be sent. */
static bool
send_piece(struct gw_call *call)
{
    struct chan *chan = &call->instance->chan;
    struct gw_buffer *buffer = call->stash;
    size_t left = buffer != NULL ? buffer->len - buffer->at : 0;
    size_t room = chan_room(chan), n = left < room ? left : room;
    bool last = call->body_complete && n == left;
    unsigned char *payload;

    if (n > LIMIT_FRAME_BODY)
        n = LIMIT_FRAME_BODY, last = false;
    if ((n == 0 && !last) || (payload = chan_reserve(chan, n)) == NULL)
        return false;
    if (n > 0)
        memcpy(payload, buffer->bytes + buffer->at, n);
    chan_commit(chan, FRAME_BODY, last ? FRAME_END : 0, call->serial, n);
    call->end_sent = last;
    if (n > 0)
        buffer->at += (uint32_t)n;
    if (n == left) {
        gw_pool_give(&call->loop->pool, buffer);
        call->stash = NULL;
    }
    return true;
}

/* Reports to the worker that the rest of the body will not follow. */
static void
abort_body(struct gw_call *call, int why)
{
    struct gw_instance *inst = call->instance;
    int32_t code = why;
    unsigned char *payload;

    if (!call->head_sent || call->end_sent || inst == NULL)
        return;
    gw_pool_give(&call->loop->pool, call->stash);
    call->stash = NULL;
    call->aborted = why;
    payload = chan_reserve(&inst->chan, sizeof code);
    if (payload == NULL)
        return; /* the ring is full: gw_call_pump tries again */
    memcpy(payload, &code, sizeof code);
    chan_commit(&inst->chan, FRAME_ABORT, FRAME_END, call->serial, sizeof code);
    call->end_sent = true;
}

/* Space that the ring needs before more of the call can be sent. 0: nothing is left to send, or it
 * has not arrived yet. */
static size_t
room_wanted(const struct gw_call *call)
{
    if (call->end_sent)
        return 0;
    if (!call->head_sent)
        return head_frame_len(call);
    return call->stash != NULL || call->aborted != 0 || call->body_complete ? sizeof(int32_t) : 0;
}

void
gw_call_pump(struct gw_call *call)
{
    struct gw_instance *inst = call->instance;
    struct gw_link *link;

    if (inst == NULL || call->end_sent)
        return;
    link = &inst->links[call->loop->lane];
    if (!call->head_sent)
        send_head(call);
    if (!settle_body(call))
        return;
    if (call->head_sent && call->aborted != 0)
        abort_body(call, call->aborted);
    else if (call->head_sent)
        while (!call->end_sent && send_piece(call))
            ;
    link->sent = true; /* the worker is woken once per turn of the loop */
    link->room_wanted = room_wanted(call);
    if (call->conn == NULL || call->end_sent)
        return;
    if (call->stash == NULL)
        gw_conn_read_on(call->conn);
    else
        gw_conn_read_stop(call->conn);
}

/* ---- end ---- */

/* Leaves the queue. Returns false if the call is not in it. */
static bool
leave_queue(struct gw_call *call)
{
    struct gw *gw = call->loop->gw;
    gw_locked struct gw *held = gw_lock(gw);

    if (call->sch.state != SCH_CALL_WAITING)
        return false;
    sch_call_gone(gw->functions->sch, &call->sch, gw_now_ns());
    return true;
}

/* Continues a call without its client. A waiting call is removed from the queue. For a running call
 * the worker is notified, and the call ends when the handler returns. */
void
gw_call_detach(struct gw_call *call, int why)
{
    struct gw_instance *inst = call->instance;

    call->conn = NULL;
    call->body = NULL;
    call->body_len = 0;
    if (!call->submitted || (inst == NULL && leave_queue(call))) {
        gw_call_free(call);
        return;
    }
    if (!call->head_sent) { /* not sent yet: it becomes an empty, cancelled call */
        call->body_complete = true;
        gw_pool_give(&call->loop->pool, call->stash);
        call->stash = NULL;
        gw_call_pump(call);
    }
    abort_body(call, why);
    if (inst == NULL || inst->links[call->loop->lane].first != call)
        return; /* being sent, or sent ahead: it does not run yet */
    atomic_store(&inst->chan.shared->cancelled_why, why);
    atomic_store(&inst->chan.shared->cancelled, call->serial);
    chan_wake_worker(&inst->chan);
}

void
gw_call_problem(struct gw_call *call, enum gw_code code, json_t *facts, const char *fmt, ...)
{
    struct gw_conn *conn = call->conn;
    char detail[256];
    bool begun = call->response_begun;
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(detail, sizeof detail, fmt, ap);
    va_end(ap);
    if (conn == NULL) { /* no client gets it, so it is not counted */
        json_decref(facts);
        return;
    }
    gw_function_count_error(call->loop->gw, call->function, code);
    conn->exchange = NULL;
    if (begun) { /* the client can detect a truncated response */
        json_decref(facts);
        gw_call_detach(call, EPIPE);
        gw_conn_cut(conn);
        return;
    }
    if (conn->phase != GW_REQUEST_WHOLE)
        conn->close_after = true;
    gw_answer_problem(conn, code, call->id, facts, "%s", detail);
    gw_call_detach(call, code == GW_BODY_TOO_LARGE ? EMSGSIZE : EPIPE);
}
