/* call.c: one call: collects its body, and sends head and body into an instance's ring.
 *
 * A call is submitted to the scheduler once its whole body is here, so that no client holds an
 * instance: a body of up to GW_SPOOL_MEMORY in memory, a longer one in a spool. With the setting
 * `stream` it is submitted with its first bytes. Then the bytes that do not fit into the ring wait
 * in the stash, which holds at most one read of the socket, and the client's socket is not read
 * until the stash is empty.
 *
 * What was sent in one frame is not kept: if the call has to be sent again, its body is brought
 * back from the ring.
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
#include "log.h"
#include "loop.h"
#include "tracing.h"

#define NS_PER_MS INT64_C(1000000)

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
    call->max_response = function->sch.settings.max_response;
    call->stream = function->sch.settings.stream != 0;
    call->proxy_headers = function->sch.settings.proxy_headers != 0;
    call->reports_memory = conn->wants_memory;
    call->trace = conn->trace;
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

static void
drop_body(struct gw_call *call)
{
    gw_spool_give_buffer(call->loop, call->stash);
    gw_spool_free(call->spool);
    call->stash = NULL;
    call->spool = NULL;
    call->body = NULL;
    call->body_len = 0;
}

void
gw_call_free(struct gw_call *call)
{
    struct gw_loop *loop = call->loop;

    if (call->trace.on)
        gw_tracing_add(call);
    gw_timer_unset(loop, &call->deadline);
    gw_pool_give(&loop->pool, call->head);
    drop_body(call);
    {
        gw_locked struct gw *held = gw_lock(loop->gw);

        gw_function_release(loop->gw, call->function);
    }
    call->next = loop->calls->free_calls;
    loop->calls->free_calls = call;
}

/* ---- receiving the body ---- */

/* The size of the first buffer for a body: as much as is declared, or has come. */
static size_t
first_room(const struct gw_call *call, size_t n)
{
    int64_t declared = ((const struct frame_request *)(const void *)call->head->bytes)->body_len;

    if (call->stream)
        return GW_READ_BYTES;
    if (declared > GW_SPOOL_MEMORY)
        declared = GW_SPOOL_MEMORY;
    return declared > (int64_t)n ? (size_t)declared : n;
}

/* Makes room for n more bytes in the stash. */
static bool
widen_stash(struct gw_call *call, size_t n)
{
    struct gw_buffer *buffer = call->stash, *wider;

    if (buffer != NULL && buffer->len + n > buffer->size && buffer->at > 0) {
        memmove(buffer->bytes, buffer->bytes + buffer->at, buffer->len - buffer->at);
        buffer->len -= buffer->at;
        buffer->at = 0;
    }
    if (buffer != NULL && buffer->len + n <= buffer->size)
        return true;
    wider =
        gw_spool_take_buffer(call->loop, buffer != NULL ? GW_SPOOL_MEMORY : first_room(call, n));
    if (wider != NULL && buffer != NULL) {
        memcpy(wider->bytes, buffer->bytes, buffer->len);
        wider->len = buffer->len;
        gw_spool_give_buffer(call->loop, buffer);
    }
    if (wider != NULL)
        call->stash = wider;
    return wider != NULL && wider->len + n <= wider->size;
}

/* The spool's file was written or read. */
static void
on_spool_ready(void *user)
{
    struct gw_call *call = user;

    call->reading_file = false;
    if (call->conn != NULL)
        gw_conn_read_on(call->conn);
    if (call->instance != NULL)
        gw_call_pump(call);
}

/* Keeps bytes of the body. Returns 0; -EAGAIN if they are kept, and the client has to wait; or
 * another negative errno, as gw_spool_append. */
static int
keep_body(struct gw_call *call, const unsigned char *bytes, size_t n)
{
    size_t kept = call->stash != NULL ? call->stash->len : 0;

    if (call->spool == NULL && (call->stream || kept + n <= GW_SPOOL_MEMORY)) {
        if (!widen_stash(call, n))
            return -ENOMEM;
        memcpy(call->stash->bytes + call->stash->len, bytes, n);
        call->stash->len += (uint32_t)n;
        return 0;
    }
    if (call->spool == NULL) {
        call->spool = gw_spool_new(call->loop, call->stash, on_spool_ready, call);
        if (call->spool == NULL)
            return -ENOMEM;
        call->stash = NULL;
    }
    return gw_spool_append(call->spool, bytes, n);
}

static void
refuse_body(struct gw_call *call, int status)
{
    if (status == -ENOSPC)
        gw_call_problem(call, GW_STORAGE_FULL, NULL,
                        "there is no room for the body: the disk of the state folder is full, or "
                        "the bodies that wait have reached spool_bytes");
    else if (status == -EIO)
        gw_call_problem(call, GW_STORAGE_FULL, NULL,
                        "the body cannot be kept: writing to the state folder failed");
    else if (status == -EBUSY)
        gw_call_problem(call, GW_OVERLOADED, NULL,
                        "the bodies that wait, of all functions, have reached queue_bytes");
    else
        gw_call_problem(call, GW_INTERNAL, NULL, "no memory for the body");
}

bool
gw_call_settle_body(struct gw_call *call)
{
    const unsigned char *body = call->body;
    size_t n = call->body_len;
    int status = 0;

    call->body = NULL;
    call->body_len = 0;
    if (n > 0 && !call->body_complete && !call->stream && !gw_spool_memory_allows(call->loop, n))
        status = -EBUSY;
    else if (n > 0)
        status = keep_body(call, body, n);
    if (status == 0 || (status != -ENOMEM && call->body_complete))
        return true; /* an error of the file does not matter any more: nothing is lost */
    if (status == -EAGAIN) {
        gw_conn_read_stop(call->conn);
        return true;
    }
    refuse_body(call, status);
    return false;
}

/* Whether the body has outgrown the function's max_body, or will with `more` bytes. Then the call
 * is answered. */
static bool
too_large(struct gw_call *call, uint64_t more)
{
    int64_t limit = call->max_body;

    if ((call->stream && limit == 0) ||
        (call->body_seen <= limit && more <= (uint64_t)(limit - call->body_seen)))
        return false;
    gw_call_problem(call, GW_BODY_TOO_LARGE, json_pack("{s:I}", "limit", (json_int_t)limit),
                    "the body exceeds the function's max_body of %lld bytes", (long long)limit);
    return true;
}

/* The first piece of a body stays in the read buffer, so that it is not copied if the call is sent
 * in the same turn. */
void
gw_call_body(struct gw_call *call, const unsigned char *bytes, size_t n)
{
    call->body_seen += (int64_t)n;
    if (too_large(call, 0) || !gw_call_settle_body(call))
        return;
    call->body = bytes;
    call->body_len = n;
    if (!call->submitted || !gw_call_settle_body(call))
        return;
    if (call->instance == NULL)
        gw_conn_read_stop(call->conn);
    else
        gw_call_pump(call);
}

void
gw_call_body_grows(struct gw_call *call, uint64_t bytes)
{
    (void)too_large(call, bytes);
}

void
gw_call_body_end(struct gw_call *call)
{
    call->body_complete = true;
    if (call->submitted)
        gw_call_pump(call);
    else if (call->conn != NULL)
        gw_conn_read_on(
            call->conn); /* whatever its body waits for: it is seen if the client goes */
}

static void
submit(struct gw_call *call)
{
    struct gw_conn *conn = call->conn;
    struct gw_loop *loop = call->loop;

    if ((call->stash != NULL || call->spool != NULL) && !gw_call_settle_body(call))
        return;
    call->submitted = true;
    if (call->body_complete)
        ((struct frame_request *)(void *)call->head->bytes)->body_len = call->body_seen;
    call->sch.stackable = call->body_complete && call->body_seen <= LIMIT_FRAME_BODY &&
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
    if (gw_call_settle_body(call) && call->instance == NULL && !call->body_complete)
        gw_conn_read_stop(conn);
}

void
gw_call_read_done(struct gw_call *call)
{
    if (!call->submitted && (call->stream || call->body_complete))
        submit(call);
    else if (!call->submitted)
        (void)gw_call_settle_body(call);
}

/* ---- sending ---- */

bool
gw_call_recover(struct gw_call *call)
{
    const unsigned char *payload;
    size_t n = (size_t)call->body_seen;

    if (!call->head_sent)
        return gw_call_settle_body(call);
    if (call->spool != NULL)
        return true;
    if (call->in_pieces || !call->end_sent || call->aborted != 0 || n > LIMIT_FRAME_BODY)
        return false;
    if (n == 0)
        return true;
    payload = chan_sent(&call->instance->chan, call->position);
    if (payload == NULL || !widen_stash(call, n))
        return false;
    memcpy(call->stash->bytes, payload + call->head->len, n);
    call->stash->len = (uint32_t)n;
    return true;
}

void
gw_call_forget_copy(struct gw_call *call)
{
    if (!call->end_sent)
        return;
    gw_spool_give_buffer(call->loop, call->stash);
    call->stash = NULL;
}

void
gw_call_unsend(struct gw_call *call)
{
    call->instance = NULL;
    call->head_sent = call->end_sent = call->recovered = false;
    call->sent_at = 0;
    gw_timer_unset(call->loop, &call->deadline);
}

/* The bytes of the body that go with the head, all of them if they fit into the frame. */
static size_t
body_with_head(const struct gw_call *call, const unsigned char **bytes)
{
    size_t n = call->body_len;

    *bytes = call->body;
    if (call->stash != NULL) {
        *bytes = call->stash->bytes + call->stash->at;
        n = call->stash->len - call->stash->at;
    }
    return call->spool == NULL && n <= LIMIT_FRAME_BODY ? n : 0;
}

/* Upper bound for the size of a frame with the head, and a NUL if the body is complete. */
static size_t
head_frame_len(const struct gw_call *call)
{
    const unsigned char *body;

    return call->head->len + body_with_head(call, &body) + 1;
}

static void
send_head(struct gw_call *call)
{
    struct chan *chan = &call->instance->chan;
    struct gw_buffer *head = call->head;
    uint64_t deadline = (uint64_t)(call->sch.started_ns + call->timeout_ms * NS_PER_MS);
    const unsigned char *body;
    size_t n = body_with_head(call, &body);
    bool whole = call->body_complete && (int64_t)n == call->body_seen;
    unsigned char *payload = chan_reserve(chan, head->len + n + 1);

    if (payload == NULL)
        return; /* tried again when the worker has freed space */
    memcpy(payload, head->bytes, head->len);
    memcpy(payload + offsetof(struct frame_request, deadline_ns), &deadline, sizeof deadline);
    if (n > 0)
        memcpy(payload + head->len, body, n);
    if (whole)
        payload[head->len + n] = '\0';
    if (n > 0) {
        gw_spool_give_buffer(call->loop, call->stash);
        call->stash = NULL;
        call->body = NULL;
        call->body_len = 0;
        call->in_pieces = !whole;
    }
    call->position = chan_commit(chan, FRAME_REQUEST, whole ? FRAME_END : 0, call->serial,
                                 head->len + n + whole);
    call->head_sent = true;
    call->end_sent = whole;
}

/* The next bytes of the body that can be sent. Returns false if there are none now. */
static bool
next_piece(struct gw_call *call, const unsigned char **bytes, size_t *n)
{
    int status;

    *n = 0;
    if (call->stash != NULL) {
        *bytes = call->stash->bytes + call->stash->at;
        *n = call->stash->len - call->stash->at;
        return true;
    }
    if (call->spool == NULL || call->sent_at == gw_spool_len(call->spool))
        return call->body_complete;
    status = gw_spool_read(call->spool, call->sent_at, bytes, n);
    call->reading_file = status == 0;
    if (status < 0) {
        call->aborted = EIO;
        log_error("call %s: its body cannot be read back: %s", call->id, strerror(-status));
    }
    return status > 0;
}

/* Sends one frame of the body. Returns false if nothing can be sent. */
static bool
send_piece(struct gw_call *call)
{
    struct chan *chan = &call->instance->chan;
    const unsigned char *bytes = NULL;
    size_t left, room = chan_room(chan), n;
    unsigned char *payload;
    bool last;

    if (!next_piece(call, &bytes, &left))
        return false;
    n = left < room ? left : room;
    n = n < LIMIT_FRAME_BODY ? n : LIMIT_FRAME_BODY;
    last = call->body_complete && n == left &&
           (call->spool == NULL || call->sent_at + (int64_t)n == gw_spool_len(call->spool));
    if ((n == 0 && !last) || (payload = chan_reserve(chan, n)) == NULL)
        return false;
    if (n > 0)
        memcpy(payload, bytes, n);
    chan_commit(chan, FRAME_BODY, last ? FRAME_END : 0, call->serial, n);
    call->end_sent = last;
    call->in_pieces = call->spool == NULL;
    if (call->spool != NULL)
        call->sent_at += (int64_t)n;
    else if (call->stash != NULL)
        call->stash->at += (uint32_t)n;
    if (call->stash != NULL && n == left) {
        gw_spool_give_buffer(call->loop, call->stash);
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
    drop_body(call);
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
    if (call->end_sent || call->reading_file)
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
    if (!gw_call_settle_body(call))
        return;
    while (call->head_sent && !call->end_sent && call->aborted == 0 && send_piece(call))
        ;
    if (call->head_sent && call->aborted != 0)
        abort_body(call, call->aborted);
    link->sent = true; /* the worker is woken once per turn of the loop */
    link->room_wanted = room_wanted(call);
    if (call->conn == NULL || !call->stream)
        return;
    if (call->stash == NULL || call->end_sent)
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
    if (!call->submitted || (inst == NULL && leave_queue(call))) {
        gw_call_free(call);
        return;
    }
    if (!call->head_sent) { /* not sent yet: it becomes an empty, cancelled call */
        drop_body(call);
        call->body_complete = true;
        call->body_seen = 0;
        if (inst == NULL)
            return; /* it was refused */
        if (inst->links[call->loop->lane].first == call)
            gw_call_pump(call);
        else
            inst->links[call->loop->lane].unsent = true; /* in order, behind those before it */
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
    call->code = gw_code_name(code);
    if (!begun)
        call->status = gw_code_status(code);
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
