/* connection.c: one client connection: reading, turns, timers, and its end. write.c writes.
 *
 * The requests of a connection are served one after another. Bytes of later requests wait in
 * `early`; reading stops meanwhile, so that one buffer bounds them. A turn of a connection is
 * limited in requests and in time. A connection with bytes left goes to the end of the loop's
 * backlog.
 */
#include "connection.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <utlist.h>

#include "access.h"
#include "answer.h"
#include "container.h"
#include "log.h"
#include "loop.h"
#include "tls.h"

#define TLS_RECORD    (17 * 1024)
#define PROBE_MS      16 /* see probe */
#define PROBE_MOST_MS 256
#define LINGER_MS     2000 /* how long a closing client may still send */

/* A turn of one connection, and of the whole backlog before the loop polls its sockets again. Less
 * than the wake-up that a call costs its client. */
#define TURN_REQUESTS 16
#define TURN_NS       INT64_C(20000)
#define BACKLOG_NS    INT64_C(20000)

/* the least that an operator's body must send within each header timeout */
#define BODY_PACE 4096

static void linger(struct gw_conn *conn);

/* ---- the backlog: connections with unparsed bytes whose turn is over ---- */

static bool
may_parse(const struct gw_conn *conn)
{
    return conn->life == GW_CONN_OPEN && !conn->paused && !conn->held &&
           conn->phase != GW_REQUEST_WHOLE;
}

static void
leave_backlog(struct gw_conn *conn)
{
    struct gw_loop *loop = conn->loop;

    if (!conn->in_backlog)
        return;
    conn->in_backlog = false;
    loop->http->backlog_count--;
    DL_DELETE2(loop->http->backlog, conn, backlog_prev, backlog_next);
}

static void on_backlog(uv_idle_t *idle);

static void
enter_backlog(struct gw_conn *conn)
{
    struct gw_loop *loop = conn->loop;

    if (conn->in_backlog || conn->early == NULL || conn->life == GW_CONN_CLOSING)
        return;
    conn->in_backlog = true;
    loop->http->backlog_count++;
    DL_APPEND2(loop->http->backlog, conn, backlog_prev, backlog_next);
    (void)uv_idle_start(&loop->http->backlog_idle, on_backlog);
}

void
gw_conn_backlog_init(struct gw_loop *loop)
{
    (void)uv_idle_init(loop->uv, &loop->http->backlog_idle);
    loop->http->backlog_idle.data = loop;
}

/* ---- bytes in ---- */

/* Keeps the unparsed bytes. Returns false if there is no memory. */
static bool
keep_early(struct gw_conn *conn, const char *bytes, size_t n)
{
    struct gw_buffer *early = gw_pool_take(&conn->loop->pool, n);

    if (early == NULL)
        return false;
    memcpy(early->bytes, bytes, n);
    early->len = (uint32_t)n;
    conn->early = early;
    return true;
}

/* Reports to the handler that its client is gone. */
static void
leave_exchange(struct gw_conn *conn)
{
    void *exchange = conn->exchange;

    conn->exchange = NULL;
    if (exchange != NULL)
        conn->handler->gone(exchange);
}

static void
answer_malformed(struct gw_conn *conn, enum gw_code code, const char *why)
{
    const struct gw_http *http = conn->loop->gw->http;

    conn->close_after = true;
    if (conn->exchange != NULL && conn->handler->refuse(conn->exchange, code, why))
        return;
    leave_exchange(conn);
    if (conn->responded)
        return;
    if (code == GW_HEADERS_TOO_LARGE)
        gw_answer_problem(conn, code, NULL,
                          json_pack("{s:I,s:I}", "limit", (json_int_t)http->max_head, "fields",
                                    (json_int_t)http->max_fields),
                          "%s", why);
    else
        gw_answer_problem(conn, code, NULL, NULL, "%s", why);
}

/* Lets the handler forward the parsed bytes, and sends 100 Continue if the client waits for it. */
static void
hand_on(struct gw_conn *conn)
{
    if (conn->exchange != NULL && conn->handler->read_done != NULL)
        conn->handler->read_done(conn->exchange);
    gw_conn_send_continue(conn);
}

/* Parses bytes of a head. Returns how many were consumed; *why is set if the next one is wrong. */
static size_t
feed_head(struct gw_conn *conn, char *bytes, size_t n, const char **why)
{
    const struct gw_http *http = conn->loop->gw->http;
    llhttp_errno_t status = HPE_OK;
    size_t at = 0, part;

    if (!conn->method_done) {
        ssize_t took = gw_parse_method(conn, bytes, n);

        if (took < 0) {
            *why = "the request does not begin with a method: a token of at most 64 characters "
                   "and a space";
            return 0;
        }
        at = (size_t)took;
        if (!conn->method_done)
            return at;
        memset(&conn->strict, 0, sizeof conn->strict);
        llhttp_reset(&conn->parser);
        status = llhttp_execute(&conn->parser, "POST ", 5); /* llhttp knows only some methods */
    }
    part = gw_strict_scan(&conn->strict,
                          &(struct gw_strict_limits){.bytes = http->max_head,
                                                     .fields = http->max_fields,
                                                     .target = http->max_url},
                          bytes + at, n - at, why);
    if (status == HPE_OK)
        status = llhttp_execute(&conn->parser, bytes + at, part);
    if (status != HPE_OK && status != HPE_PAUSED_UPGRADE) {
        const char *reason = llhttp_get_error_reason(&conn->parser);

        *why = reason != NULL && reason[0] != '\0' ? reason : "malformed HTTP";
    } else if (*why == NULL &&
               ((status == HPE_PAUSED_UPGRADE) != (conn->strict.state == GW_STRICT_DONE) ||
                (status == HPE_PAUSED_UPGRADE &&
                 llhttp_get_error_pos(&conn->parser) != bytes + at + part))) {
        /* both must agree where the head ends */
        *why = "malformed HTTP";
    } else if (*why != NULL && conn->strict.over != GW_STRICT_FITS) {
        conn->bad =
            conn->strict.over == GW_STRICT_TARGET_TOO_LONG ? GW_URI_TOO_LONG : GW_HEADERS_TOO_LARGE;
        conn->bad_why = *why;
        conn->stopped = true;
    }
    return at + part;
}

static const char *
text_of_bad(const struct gw_conn *conn)
{
    if (conn->bad_why != NULL)
        return conn->bad_why;
    return conn->bad == GW_HEADERS_TOO_LARGE
               ? "the trailers and extensions of the chunked body have too many bytes or fields"
               : "malformed HTTP";
}

/* Parses at most one request. Returns the number of bytes consumed. */
static size_t
feed_one(struct gw_conn *conn, char *bytes, size_t n)
{
    const char *why = NULL;
    size_t used = 0;

    conn->feeding = true;
    if (conn->phase < GW_REQUEST_BODY)
        used = feed_head(conn, bytes, n, &why);
    if (why == NULL && conn->phase == GW_REQUEST_BODY)
        used += gw_parse_body(conn, bytes + used, n - used, &why);
    conn->feeding = false;
    if (conn->stopped) {
        conn->stopped = false;
        answer_malformed(conn, conn->bad, text_of_bad(conn));
        return n;
    }
    if (why != NULL) {
        answer_malformed(conn, GW_BAD_REQUEST, why);
        return n;
    }
    hand_on(conn);
    if (conn->phase == GW_REQUEST_BODY) { /* more of it is to come */
        conn->body_at_ms = gw_now_ms();
        if (!conn->timer.armed)
            gw_conn_expect_progress(conn);
    }
    return used;
}

static void
read_stop(struct gw_conn *conn)
{
    if (conn->reading && conn->life != GW_CONN_CLOSING)
        (void)uv_read_stop(&conn->u.stream);
    conn->reading = false;
}

/* A kept connection closes one second after the time that Keep-Alive tells its client. */
static void
await_first_byte(struct gw_conn *conn)
{
    int64_t timeout_ms = conn->loop->gw->http->keepalive_timeout_ms;

    gw_timer_set(conn->loop, &conn->timer, timeout_ms + (timeout_ms >= 1000 ? 1000 : 0),
                 conn->timer.fire);
}

static void
await_next(struct gw_conn *conn)
{
    conn->phase = GW_REQUEST_NONE;
    conn->responded = conn->head_written = false;
    conn->status = 0;
    conn->body_sent = 0;
    gw_pool_give(&conn->loop->pool, conn->extra);
    conn->extra = NULL;
    conn->probe_ms = 0;
    conn->chunked = conn->head_only = conn->method_done = conn->paused = false;
    conn->method_len = 0;
    if (conn->hold_ms > 0) {
        conn->held = true;
        read_stop(conn);
        gw_timer_set(conn->loop, &conn->timer, conn->hold_ms, conn->timer.fire);
        conn->hold_ms = 0;
        return;
    }
    await_first_byte(conn);
}

/* Whether the request is answered and read, so that the next one may begin. A client that does not
 * read its responses gets no more of them. */
static bool
is_done(const struct gw_conn *conn)
{
    return conn->responded && conn->phase == GW_REQUEST_WHOLE && !conn->close_after &&
           !gw_conn_is_writing(conn) && conn->life == GW_CONN_OPEN;
}

static bool
turn_is_over(const struct gw_conn *conn)
{
    return conn->turn_requests >= TURN_REQUESTS || conn->turn_chunks >= TURN_CHUNKS ||
           (conn->turn_requests > 1 && gw_now_ns() >= conn->turn_until_ns);
}

/* Parses within the limits of one turn. Returns the number of bytes consumed. Responses that are
 * complete meanwhile leave in one write. */
static size_t
take_turn(struct gw_conn *conn, char *bytes, size_t n)
{
    size_t at = 0;

    conn->turn_requests = conn->turn_chunks = 0;
    conn->turn_until_ns = gw_now_ns() + TURN_NS;
    conn->in_turn = conn->corked = true;
    while (at < n && !turn_is_over(conn)) {
        if (is_done(conn))
            await_next(conn);
        if (!may_parse(conn))
            break;
        at += feed_one(conn, bytes + at, n - at);
        conn->turn_requests += conn->phase == GW_REQUEST_WHOLE;
    }
    gw_conn_uncork(conn);
    conn->in_turn = false;
    return at;
}

/* Called after each turn, and when a response or a write is complete: closes, starts the next
 * request, or waits. */
void
gw_conn_advance(struct gw_conn *conn)
{
    if (conn->life == GW_CONN_CLOSING || conn->feeding || conn->in_turn)
        return;
    if (conn->responded && conn->close_after) {
        linger(conn);
    } else if (is_done(conn)) {
        await_next(conn);
        if (conn->early == NULL && !conn->held && conn->tls == NULL) {
            struct gw_loop *better = gw_balance_better_loop(conn->loop);

            if (better != NULL) {
                gw_conn_move(conn, better);
                return;
            }
        }
    }
    if (may_parse(conn))
        enter_backlog(conn);
    gw_conn_stand(conn);
}

static void
feed(struct gw_conn *conn, char *bytes, size_t n)
{
    size_t used = take_turn(conn, bytes, n);

    /* empty lines before the next request say nothing, and must not keep the socket from being read
     * while this one is served: so it is seen if the client goes */
    while (used < n && conn->phase == GW_REQUEST_WHOLE &&
           (bytes[used] == '\r' || bytes[used] == '\n'))
        used++;
    if (used < n && conn->life == GW_CONN_OPEN) {
        read_stop(conn);
        if (!keep_early(conn, bytes + used, n - used)) {
            gw_conn_close(conn);
            return;
        }
    }
    gw_conn_advance(conn);
}

static void
feed_early(struct gw_conn *conn)
{
    struct gw_buffer *early = conn->early;

    early->at +=
        (uint32_t)take_turn(conn, (char *)early->bytes + early->at, early->len - early->at);
    if (conn->life == GW_CONN_CLOSING)
        return;
    if (early == conn->early && early->at == early->len) {
        conn->early = NULL;
        gw_pool_give(&conn->loop->pool, early);
        if (!conn->paused)
            gw_conn_read_on(conn);
    }
    gw_conn_advance(conn);
}

/* Gives each connection of the backlog a turn, within the time limit. The remaining ones come first
 * the next time. */
static void
on_backlog(uv_idle_t *idle)
{
    struct gw_loop *loop = idle->data;
    int64_t until_ns = gw_now_ns() + BACKLOG_NS;

    for (uint32_t n = loop->http->backlog_count; n > 0 && loop->http->backlog != NULL; n--) {
        struct gw_conn *conn = loop->http->backlog;

        leave_backlog(conn);
        if (conn->early != NULL && may_parse(conn))
            feed_early(conn);
        if (gw_now_ns() >= until_ns)
            break;
    }
    if (loop->http->backlog == NULL)
        (void)uv_idle_stop(idle);
}

static void
on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct gw_conn *conn = handle->data;

    (void)suggested;
    *buf = uv_buf_init((char *)conn->loop->http->read_buffer, sizeof conn->loop->http->read_buffer);
    if (conn->tls != NULL) /* with what it has of a record, its plain text fits into one buffer */
        buf->len -= TLS_RECORD;
}

/* The client sends nothing more, and everything that it sent has been parsed. */
static void
end_of_input(struct gw_conn *conn)
{
    static const char why[] = "the client closed the connection within its request";

    if (conn->life != GW_CONN_OPEN)
        return;
    conn->close_after = true;
    if (conn->responded) {
        gw_conn_advance(conn);
    } else if (conn->phase == GW_REQUEST_WHOLE) {
        if (conn->exchange != NULL && conn->handler->paced && conn->head_written)
            gw_conn_close(conn); /* an answer to an operator that would go on for ever */
        else if (conn->exchange != NULL && !gw_conn_is_writing(conn))
            gw_timer_set(conn->loop, &conn->timer, PROBE_MS, conn->timer.fire);
    } else if (conn->phase == GW_REQUEST_NONE) {
        gw_conn_close(conn);
    } else if (conn->exchange == NULL ||
               !conn->handler->refuse(conn->exchange, GW_BAD_REQUEST, why)) {
        leave_exchange(conn);
        gw_answer_problem(conn, GW_BAD_REQUEST, NULL, NULL, "%s", why);
    }
}

/* Whether the client of a running request has gone, after it said that it sends nothing more: to
 * close a socket and to close one direction of it look the same until something is written. So a
 * 100 Continue is, which a client has to expect at any time before the response (RFC 9110, 15.2):
 * one that has gone answers with a reset. */
static void
probe(struct gw_conn *conn)
{
    uv_buf_t text = uv_buf_init((char *)(uintptr_t) "HTTP/1.1 100 Continue\r\n\r\n", 25);
    int fd, error = 0;
    socklen_t len = sizeof error;

    if (conn->http10 || conn->head_written)
        return;
    if (conn->probe_ms == 0)
        gw_conn_write(conn, &text, 1);
    else if (uv_fileno(&conn->u.handle, &fd) == 0 &&
             getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0 && error != 0)
        gw_conn_close(conn);
    conn->probe_ms = conn->probe_ms == 0 ? PROBE_MS : 2 * conn->probe_ms;
    if (conn->probe_ms > PROBE_MOST_MS)
        conn->probe_ms = PROBE_MOST_MS;
    if (conn->life == GW_CONN_OPEN && !gw_conn_is_writing(conn))
        gw_timer_set(conn->loop, &conn->timer, conn->probe_ms, conn->timer.fire);
}

/* The plain text in what the socket gave. */
static ssize_t
decrypt(struct gw_conn *conn, char **bytes, ssize_t n)
{
    bool fatal;
    ssize_t got = gw_tls_read(conn, *bytes, (size_t)n, bytes, &fatal);

    if (got >= 0)
        return got;
    return fatal ? UV_ECONNABORTED : UV_EOF;
}

static void
on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct gw_conn *conn = stream->data;
    char *bytes = buf->base;

    if (n > 0 && conn->tls != NULL)
        n = decrypt(conn, &bytes, n);
    if (conn->life == GW_CONN_CLOSING)
        return;
    if (n == UV_EOF && conn->life == GW_CONN_OPEN) {
        conn->half_closed = true;
        read_stop(conn);
        end_of_input(conn);
    } else if (n < 0)
        gw_conn_close(conn);
    else if (n > 0 && conn->life != GW_CONN_LINGERING)
        feed(conn, bytes, (size_t)n);
}

void
gw_conn_read_on(struct gw_conn *conn)
{
    if (conn->paused && conn->phase == GW_REQUEST_BODY)
        conn->body_at_ms = gw_now_ms(); /* the time until now was not the client's */
    conn->paused = false;
    if (conn->life == GW_CONN_CLOSING || conn->held)
        return;
    if (conn->early != NULL) {
        if (!conn->in_turn && may_parse(conn))
            enter_backlog(conn);
    } else if (!conn->reading && !conn->half_closed) {
        conn->reading = uv_read_start(&conn->u.stream, on_alloc, on_read) == 0;
    }
}

void
gw_conn_read_stop(struct gw_conn *conn)
{
    conn->paused = true;
    read_stop(conn);
}

/* ---- the end of a response ---- */

bool
gw_conn_closes_after(struct gw_conn *conn)
{
    bool unread = conn->phase != GW_REQUEST_WHOLE;

    /* A client that waits for 100 Continue and got none may send its body or its next request: the
     * two cannot be told apart. A long body is not read to its end. */
    if (conn->loop->gw->draining ||
        (unread && conn->expects_continue && !conn->sent_continue &&
         conn->phase >= GW_REQUEST_BODY) ||
        (unread && conn->request.body_len > DISCARD_BYTES))
        conn->close_after = true;
    conn->head_written = true;
    return conn->close_after;
}

void
gw_conn_responded(struct gw_conn *conn)
{
    conn->responded = true;
    conn->exchange = NULL;
    if (conn->access != NULL || conn->loop->gw->http->access_format != GW_ACCESS_OFF)
        gw_access_end(conn);
    if (conn->life == GW_CONN_CLOSING)
        return;
    if (conn->phase != GW_REQUEST_WHOLE) {
        conn->discarded = 0;
        gw_conn_expect_progress(conn);
    }
    gw_conn_read_on(conn);
    gw_conn_advance(conn);
}

/* ---- open and close ---- */

static void
on_closed(uv_handle_t *handle)
{
    struct gw_conn *conn = handle->data;
    struct gw_loop *loop = conn->loop;

    gw_timer_unset(loop, &conn->timer);
    gw_pool_give(&loop->pool, conn->head);
    gw_pool_give(&loop->pool, conn->early);
    gw_pool_give(&loop->pool, conn->cork);
    gw_pool_give(&loop->pool, conn->extra);
    gw_tls_free(conn);
    gw_spool_free(conn->out);
    free(conn);
    gw_server_check_drained(loop);
}

void
gw_conn_close(struct gw_conn *conn)
{
    if (conn->life == GW_CONN_CLOSING)
        return;
    if (!gw_conn_is_writing(conn))
        gw_tls_say_end(conn);
    if (conn->life == GW_CONN_CLOSING)
        return; /* the client had gone */
    conn->life = GW_CONN_CLOSING;
    if (conn->access != NULL)
        gw_access_end(conn);
    conn->loop->http->conns_count--;
    gw_address_give(conn);
    gw_conn_leave(conn);
    leave_backlog(conn);
    gw_timer_unset(conn->loop, &conn->timer);
    leave_exchange(conn);
    gw_conn_notify_waiter(conn);
    uv_close(&conn->u.handle, on_closed);
}

void
gw_conn_cut(struct gw_conn *conn)
{
    struct linger reset = {.l_onoff = 1};
    int fd;

    gw_tls_cut(conn);
    /* without chunks or a length, the client detects a truncated response only by a reset */
    if (conn->life != GW_CONN_CLOSING && conn->http10 && uv_fileno(&conn->u.handle, &fd) == 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    gw_conn_close(conn);
}

/* Closes without losing the response: closing a socket with unread bytes resets it. So shut down
 * our direction, then wait a limited time for the client to close. */
static void
linger(struct gw_conn *conn)
{
    int fd;

    if (gw_conn_is_writing(conn) || conn->life == GW_CONN_LINGERING)
        return; /* called again when all is written */
    if ((conn->phase == GW_REQUEST_WHOLE && conn->early == NULL) || conn->half_closed) {
        gw_conn_close(conn);
        return;
    }
    gw_tls_say_end(conn);
    if (conn->life == GW_CONN_CLOSING)
        return;
    conn->life = GW_CONN_LINGERING;
    leave_backlog(conn);
    if (uv_fileno(&conn->u.handle, &fd) == 0)
        (void)shutdown(fd, SHUT_WR);
    gw_pool_give(&conn->loop->pool, conn->early);
    conn->early = NULL;
    gw_conn_read_on(conn);
    gw_timer_set(conn->loop, &conn->timer, LINGER_MS, conn->timer.fire);
}

/* Whether an operator's body arrives fast enough and within its deadline. */
static bool
keeps_pace(struct gw_conn *conn)
{
    bool comes = conn->paced_bytes >= BODY_PACE && gw_now_ms() < conn->body_by_ms;

    conn->paced_bytes = 0;
    return comes;
}

/* Whether the client makes progress with what the timer waits for: a body, or the response. */
static bool
makes_progress(struct gw_conn *conn)
{
    int64_t idle_ms = gw_now_ms() - conn->body_at_ms,
            most_ms = conn->loop->gw->http->body_timeout_ms;

    if (gw_conn_is_writing(conn)) {
        if (!gw_conn_is_taking(conn))
            return false;
        gw_timer_set(conn->loop, &conn->timer, conn->loop->gw->http->write_timeout_ms,
                     conn->timer.fire);
        return true;
    }
    if (conn->phase != GW_REQUEST_BODY || conn->life != GW_CONN_OPEN)
        return false;
    if (conn->exchange != NULL && conn->handler->paced) {
        if (!keeps_pace(conn))
            return false;
        gw_conn_expect_progress(conn);
        return true;
    }
    if (!conn->paused && idle_ms >= most_ms)
        return false;
    gw_timer_set(conn->loop, &conn->timer, conn->paused ? most_ms : most_ms - idle_ms,
                 conn->timer.fire);
    return true;
}

/* The timer of a connection has fired: an incomplete request, an idle connection, or a client that
 * does not read or does not close. */
static void
on_timer(struct gw_timer *timer)
{
    struct gw_conn *conn = container_of(timer, struct gw_conn, timer);
    const char *why = conn->phase >= GW_REQUEST_BODY
                          ? "the request's body was not received in time"
                          : "the request's head was not received in time";

    if (conn->held) {
        conn->held = false;
        await_first_byte(conn);
        gw_conn_read_on(conn);
        return;
    }
    if (makes_progress(conn))
        return;
    if (conn->half_closed && conn->phase == GW_REQUEST_WHOLE && !conn->responded &&
        !gw_conn_is_writing(conn)) {
        probe(conn);
        return;
    }
    if (conn->phase == GW_REQUEST_NONE || conn->responded || gw_conn_is_writing(conn)) {
        gw_conn_close(conn);
        return;
    }
    conn->close_after = true;
    if (conn->exchange != NULL && conn->handler->refuse(conn->exchange, GW_REQUEST_TIMEOUT, why))
        return;
    leave_exchange(conn);
    gw_answer_problem(conn, GW_REQUEST_TIMEOUT, NULL, NULL, "%s", why);
}

struct gw_conn *
gw_conn_new(struct gw_loop *loop, bool is_unix, bool calls, bool admin)
{
    struct gw_conn *conn = calloc(1, sizeof *conn);
    int status = UV_ENOMEM;

    if (conn == NULL)
        return NULL;
    if (is_unix)
        status = uv_pipe_init(loop->uv, &conn->u.pipe, 0);
    else
        status = uv_tcp_init(loop->uv, &conn->u.tcp);
    if (status < 0) {
        free(conn);
        return NULL;
    }
    conn->loop = loop;
    conn->u.handle.data = conn;
    conn->serves_calls = calls;
    conn->serves_admin = admin;
    conn->admin_alone = admin && !calls;
    conn->timer.fire = on_timer;
    conn->standing = GW_STANDINGS;
    loop->http->conns_count++;
    llhttp_init(&conn->parser, HTTP_REQUEST, gw_parser_settings());
    conn->parser.data = conn;
    return conn;
}

void
gw_conn_begin(struct gw_conn *conn)
{
    await_next(conn);
    gw_conn_expect_progress(conn); /* the first request must begin within the header timeout */
    gw_conn_read_on(conn);
    gw_conn_stand(conn);
}
