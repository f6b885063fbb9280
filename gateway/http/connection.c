/* connection.c: one client: its bytes in, through llhttp, and its answers out.
 *
 * Requests of one connection are served one after another; what a client sends
 * ahead waits in `early`, and no more is read meanwhile than one buffer.
 */
#include "http/connection.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "admin/admin.h"
#include "calls/call.h"
#include "calls/instance.h"
#include "cleanup.h"
#include "gateway.h"
#include "http/answer.h"
#include "log.h"

#define LINGER_MS 2000  /* how long a closing client may still send */
#define STALL_MS  30000 /* how long a client may take none of what was written */

#define ADMIN_CONNS  32    /* over conns_max, on a listener for operators alone */
#define UNUSED_LOOKS 256   /* of the oldest connections, for one that is not in use */
#define FULL_SAID_MS 10000 /* between two lines in the log about it */

/* ---- bytes in ---- */

static void
keep_early(struct gw_conn *conn, const char *bytes, size_t n)
{
    struct gw_buffer *early = conn->early;

    if (early == NULL)
        early = conn->early = gw_pool_take(&conn->loop->pool, sizeof conn->loop->read_buffer);
    if (early == NULL || early->len + n > early->size) {
        gw_conn_close(conn); /* no memory, or more than was asked for */
        return;
    }
    memcpy(early->bytes + early->len, bytes, n);
    early->len += (uint32_t)n;
    gw_conn_read_stop(conn);
}

static void
malformed(struct gw_conn *conn)
{
    const char *reason = llhttp_get_error_reason(&conn->parser);

    conn->close_after = true;
    if (conn->call != NULL) { /* the body was malformed */
        gw_call_problem(conn->call, GW_BAD_REQUEST, NULL, "the body is malformed: %s",
                        reason != NULL ? reason : "");
        return;
    }
    if (conn->admin != NULL)
        gw_admin_gone(conn->admin);
    conn->admin = NULL;
    conn->route = GW_ROUTE_DISCARD;
    if (conn->responded)
        return;
    if (conn->stopped && conn->bad == GW_HEADERS_TOO_LARGE)
        gw_answer_problem(conn, conn->bad, NULL,
                          json_pack("{s:i,s:i}", "limit", LIMIT_HEAD, "fields", LIMIT_FIELDS),
                          "at most %d fields and %d bytes of head are taken", LIMIT_FIELDS,
                          LIMIT_HEAD);
    else
        gw_answer_problem(conn, conn->stopped ? conn->bad : GW_BAD_REQUEST, NULL, NULL, "%s",
                          conn->stopped || reason == NULL ? "HTTP/1.1 with a Host field is wanted"
                                                          : reason);
}

/* One request's worth of bytes at most; returns how many were used. */
static size_t
feed_one(struct gw_conn *conn, const char *bytes, size_t n)
{
    llhttp_errno_t status;
    size_t used = n;

    conn->feeding = true;
    status = llhttp_execute(&conn->parser, bytes, n);
    conn->feeding = false;
    if (status == HPE_PAUSED || status == HPE_PAUSED_UPGRADE) {
        used = (size_t)(llhttp_get_error_pos(&conn->parser) - bytes);
        if (status == HPE_PAUSED)
            llhttp_resume(&conn->parser);
        else
            conn->close_after = true;
    } else if (status != HPE_OK) {
        malformed(conn);
        return n;
    }
    if (conn->call != NULL && !conn->call->submitted)
        gw_call_submit(conn->call);
    return used;
}

/* Whether the request is answered, so that the next one may begin. */
static void
begin_next(struct gw_conn *conn)
{
    conn->started = conn->message_complete = conn->responded = false;
    conn->chunked = conn->head_only = false;
    conn->route = GW_ROUTE_NONE;
    gw_timer_set(conn->loop, &conn->timer, conn->loop->gw->keepalive_timeout_ms, conn->timer.fire);
}

static void linger(struct gw_conn *conn);
static void move(struct gw_conn *conn, struct gw_loop *to);

/* After every step: closes, goes on with the next request, or waits. */
static void
advance(struct gw_conn *conn)
{
    if (conn->advancing)
        return; /* the call below comes back to the loop */
    conn->advancing = true;
    while (!conn->closing && !conn->feeding && conn->responded) {
        struct gw_buffer *early = conn->early;

        if (conn->close_after) {
            linger(conn);
            break;
        }
        if (!conn->message_complete)
            break; /* the rest of the body is on its way to nowhere */
        if (conn->writes > 0)
            break; /* a client that does not read its answers gets no more of them */
        begin_next(conn);
        if (early == NULL) {
            struct gw_loop *better = gw_balance_better_loop(conn->loop);

            if (better != NULL)
                move(conn, better);
            break;
        }
        early->at +=
            (uint32_t)feed_one(conn, (char *)early->bytes + early->at, early->len - early->at);
        if (conn->closing)
            break;
        if (early->at == early->len) {
            conn->early = NULL;
            gw_pool_give(&conn->loop->pool, early);
            if (conn->call == NULL || conn->call->stash == NULL)
                gw_conn_read_on(conn);
        }
    }
    conn->advancing = false;
}

static void
feed(struct gw_conn *conn, const char *bytes, size_t n)
{
    while (n > 0 && !conn->closing) {
        size_t used;

        if (conn->lingering)
            return;
        if (conn->message_complete) {
            keep_early(conn, bytes, n);
            return;
        }
        used = feed_one(conn, bytes, n);
        bytes += used;
        n -= used;
        if (n > 0 && conn->message_complete && !conn->closing) {
            /* first what came, in its order, then on from there */
            keep_early(conn, bytes, n);
            n = 0;
        }
        advance(conn);
    }
}

static void
on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct gw_conn *conn = handle->data;

    (void)suggested;
    *buf = uv_buf_init((char *)conn->loop->read_buffer, sizeof conn->loop->read_buffer);
}

static void
on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct gw_conn *conn = stream->data;

    if (n < 0) {
        gw_conn_close(conn);
        return;
    }
    if (n > 0)
        feed(conn, buf->base, (size_t)n);
}

void
gw_conn_read_on(struct gw_conn *conn)
{
    if (conn->reading || conn->closing || conn->early != NULL)
        return;
    if (uv_read_start(&conn->u.stream, on_alloc, on_read) == 0)
        conn->reading = true;
}

void
gw_conn_read_stop(struct gw_conn *conn)
{
    if (!conn->reading || conn->closing)
        return;
    (void)uv_read_stop(&conn->u.stream);
    conn->reading = false;
}

/* ---- bytes out ---- */

struct write_request {
    uv_write_t req;
    struct gw_conn *conn;
    struct gw_buffer *buffer;
};

static void
on_written(uv_write_t *req, int status)
{
    struct write_request *w = req->data;
    struct gw_conn *conn = w->conn;
    struct gw_link *link;

    gw_pool_give(&conn->loop->pool, w->buffer);
    free(w);
    conn->writes--;
    if (conn->closing)
        return;
    if (status < 0) {
        gw_conn_close(conn);
        return;
    }
    if (conn->writes > 0)
        return;
    gw_timer_unset(conn->loop, &conn->timer);
    link = conn->blocks;
    conn->blocks = NULL;
    if (link != NULL) {
        link->blocked = false;
        gw_link_poll(link);
        gw_dispatch(conn->loop);
    }
    if (conn->closing)
        return;
    if (conn->responded && !conn->message_complete)
        gw_conn_expect_progress(conn);
    advance(conn);
}

/* Queues a copy of what is left of the pieces. */
static bool
write_later(struct gw_conn *conn, uv_buf_t *pieces, unsigned n)
{
    struct write_request *w = malloc(sizeof *w);
    size_t total = 0;
    uv_buf_t all;

    for (unsigned i = 0; i < n; i++)
        total += pieces[i].len;
    if (w == NULL || (w->buffer = gw_pool_take(&conn->loop->pool, total)) == NULL) {
        free(w);
        return false;
    }
    for (unsigned i = 0; i < n; i++) {
        memcpy(w->buffer->bytes + w->buffer->len, pieces[i].base, pieces[i].len);
        w->buffer->len += (uint32_t)pieces[i].len;
    }
    w->conn = conn;
    w->req.data = w;
    all = uv_buf_init((char *)w->buffer->bytes, w->buffer->len);
    if (uv_write(&w->req, &conn->u.stream, &all, 1, on_written) < 0) {
        gw_pool_give(&conn->loop->pool, w->buffer);
        free(w);
        return false;
    }
    conn->writes++;
    gw_timer_set(conn->loop, &conn->timer, STALL_MS, conn->timer.fire);
    return true;
}

bool
gw_conn_write(struct gw_conn *conn, uv_buf_t *pieces, unsigned n)
{
    int sent = UV_EAGAIN;

    if (conn->closing)
        return true;
    if (conn->writes == 0)
        sent = uv_try_write(&conn->u.stream, pieces, n);
    if (sent < 0 && sent != UV_EAGAIN) {
        gw_conn_close(conn);
        return true;
    }
    for (size_t left = sent > 0 ? (size_t)sent : 0; n > 0;) {
        if (left < pieces->len) {
            pieces->base += left;
            pieces->len -= left;
            break;
        }
        left -= pieces->len;
        pieces++;
        n--;
    }
    if (n == 0)
        return true;
    if (!write_later(conn, pieces, n)) {
        gw_conn_close(conn);
        return true;
    }
    return false;
}

void
gw_conn_responded(struct gw_conn *conn)
{
    conn->responded = true;
    conn->call = NULL;
    conn->admin = NULL;
    if (conn->closing)
        return;
    if (!conn->message_complete) {
        conn->route = GW_ROUTE_DISCARD;
        conn->discarded = 0;
        gw_conn_expect_progress(conn);
    }
    gw_conn_read_on(conn);
    if (!conn->feeding)
        advance(conn);
}

/* ---- life and end ---- */

static void
on_closed(uv_handle_t *handle)
{
    struct gw_conn *conn = handle->data;
    struct gw_loop *loop = conn->loop;

    gw_timer_unset(loop, &conn->timer);
    gw_pool_give(&loop->pool, conn->head);
    gw_pool_give(&loop->pool, conn->early);
    *(conn->prev != NULL ? &conn->prev->next : &loop->conns) = conn->next;
    *(conn->next != NULL ? &conn->next->prev : &loop->conns_last) = conn->prev;
    loop->conns_count--;
    free(conn);
    gw_server_check_drained(loop);
}

void
gw_conn_close(struct gw_conn *conn)
{
    struct gw_link *link = conn->blocks;

    if (conn->closing)
        return;
    conn->closing = true;
    gw_timer_unset(conn->loop, &conn->timer);
    if (conn->call != NULL)
        gw_call_detach(conn->call, EPIPE);
    conn->call = NULL;
    if (conn->admin != NULL)
        gw_admin_gone(conn->admin);
    conn->admin = NULL;
    conn->blocks = NULL;
    if (link != NULL) {
        link->blocked = false;
        gw_link_poll(link);
    }
    uv_close(&conn->u.handle, on_closed);
    gw_dispatch(conn->loop);
}

void
gw_conn_cut(struct gw_conn *conn)
{
    struct linger reset = {.l_onoff = 1};
    int fd;

    /* without chunks or a length, only a reset tells a cut response from a whole one */
    if (!conn->closing && conn->http10 && uv_fileno(&conn->u.handle, &fd) == 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    gw_conn_close(conn);
}

/* Closes so that the answer is not lost: a socket closed over unread bytes is
 * reset. So: no more from us, then wait for the client's end, for a while. */
static void
linger(struct gw_conn *conn)
{
    int fd;

    if (conn->writes > 0 || conn->lingering)
        return; /* on_written comes back here */
    if (conn->message_complete && conn->early == NULL) {
        gw_conn_close(conn);
        return;
    }
    conn->lingering = true;
    if (uv_fileno(&conn->u.handle, &fd) == 0)
        (void)shutdown(fd, SHUT_WR);
    gw_pool_give(&conn->loop->pool, conn->early);
    conn->early = NULL;
    gw_conn_read_on(conn);
    gw_timer_set(conn->loop, &conn->timer, LINGER_MS, conn->timer.fire);
}

/* A head that does not come to its end, a connection that nobody uses, a client
 * that does not close. */
static void
on_timer(struct gw_timer *timer)
{
    struct gw_conn *conn =
        (struct gw_conn *)(void *)((char *)timer - offsetof(struct gw_conn, timer));

    gw_conn_close(conn);
}

/* A record of the loop's, its handle not yet open; NULL without memory. */
static struct gw_conn *
conn_new(struct gw_loop *loop, uv_handle_type type, bool calls, bool admin)
{
    struct gw_conn *conn = calloc(1, sizeof *conn);
    int status = UV_ENOMEM;

    if (conn == NULL)
        return NULL;
    if (type == UV_TCP)
        status = uv_tcp_init(loop->uv, &conn->u.tcp);
    else
        status = uv_pipe_init(loop->uv, &conn->u.pipe, 0);
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
    conn->next = loop->conns;
    *(conn->next != NULL ? &conn->next->prev : &loop->conns_last) = conn;
    loop->conns = conn;
    loop->conns_count++;
    llhttp_init(&conn->parser, HTTP_REQUEST, gw_parser_settings());
    conn->parser.data = conn;
    return conn;
}

/* Whether there are as many connections as descriptors are set aside for; operators with a
 * listener of their own find some more. */
static bool
is_full(struct gw *gw, bool admin_alone)
{
    uint32_t count = 0, most = gw->conns_max + (admin_alone ? ADMIN_CONNS : 0);

    for (uint32_t i = 0; i < gw->loops_count; i++)
        count += gw->loops[i]->conns_count;
    return count >= most;
}

/* The oldest one, among the oldest, that is between two requests or has not come to the end
 * of a head; NULL: all of them are at work. */
static struct gw_conn *
oldest_unused(struct gw_loop *loop)
{
    struct gw_conn *conn = loop->conns_last;

    for (int i = 0; conn != NULL && i < UNUSED_LOOKS; conn = conn->prev, i++)
        if (!conn->closing && (!conn->started || !conn->head_done) && conn->writes == 0)
            return conn;
    return NULL;
}

/* A new connection takes the place of one that is not in use, where all places are taken:
 * who holds many and asks for nothing shuts out nobody. */
static bool
find_place(struct gw_loop *loop, bool admin_alone)
{
    struct gw *gw = loop->gw;
    struct gw_conn *unused;

    if (!is_full(gw, admin_alone))
        return true;
    unused = oldest_unused(loop);
    {
        gw_locked struct gw *held = gw_lock(gw);

        if (gw_now_ms() - gw->full_said_ms > FULL_SAID_MS) {
            gw->full_said_ms = gw_now_ms();
            log_warning("there are %u connections, as many as descriptors are set aside for: "
                        "unused ones are closed for new ones",
                        gw->conns_max);
        }
    }
    if (unused != NULL)
        gw_conn_close(unused);
    return unused != NULL;
}

void
gw_conn_accept(struct gw_loop *loop, uv_stream_t *listener, bool calls, bool admin)
{
    bool place = find_place(loop, admin && !calls);
    struct gw_conn *conn = conn_new(loop, listener->type, calls, admin);

    if (conn == NULL)
        return;
    loop->conns_total++;
    if (uv_accept(listener, &conn->u.stream) < 0 || !place) {
        gw_conn_close(conn);
        return;
    }
    if (listener->type == UV_TCP)
        (void)uv_tcp_nodelay(&conn->u.tcp, 1);
    begin_next(conn);
    gw_conn_expect_progress(conn); /* it has yet to say a word */
    gw_conn_read_on(conn);
}

/* ---- from one loop to another, between two requests ---- */

struct moving {
    struct gw_mail mail;
    int fd;
    uv_handle_type type;
    bool calls, admin;
};

static void
deliver_conn(struct gw_loop *loop, struct gw_mail *mail)
{
    struct moving *m = (struct moving *)(void *)mail;
    struct gw_conn *conn = conn_new(loop, m->type, m->calls, m->admin);
    int status = UV_ENOMEM;

    if (conn != NULL)
        status = m->type == UV_TCP ? uv_tcp_open(&conn->u.tcp, m->fd)
                                   : uv_pipe_open(&conn->u.pipe, m->fd);
    if (status < 0)
        (void)close(m->fd);
    free(m);
    if (status < 0 && conn != NULL)
        gw_conn_close(conn);
    if (status < 0)
        return;
    begin_next(conn);
    gw_conn_read_on(conn);
}

/* The descriptor goes there under another number; ours is closed with its handle. */
static void
move(struct gw_conn *conn, struct gw_loop *to)
{
    struct moving *m = calloc(1, sizeof *m);
    int fd;

    if (m == NULL)
        return;
    m->type = conn->u.handle.type;
    m->calls = conn->serves_calls;
    m->admin = conn->serves_admin;
    m->fd = uv_fileno(&conn->u.handle, &fd) == 0 ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : -1;
    if (m->fd < 0) {
        free(m);
        return;
    }
    gw_post(to, &m->mail, deliver_conn);
    gw_conn_close(conn);
}
