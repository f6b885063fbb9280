/* write.c: bytes on their way to a client. Within a turn, responses are collected in `cork`. What
 * the socket does not take waits in `out`, and is written when the client has read.
 */
#include <errno.h>
#include <string.h>

#include "connection.h"
#include "loop.h"
#include "tls.h"

/* ---- the cork ---- */

void
gw_conn_uncork(struct gw_conn *conn)
{
    struct gw_buffer *cork = conn->cork;

    conn->corked = false;
    conn->cork = NULL;
    if (cork == NULL)
        return;
    if (conn->life != GW_CONN_CLOSING) {
        uv_buf_t piece = uv_buf_init((char *)cork->bytes, cork->len);

        gw_conn_write(conn, &piece, 1);
    }
    gw_pool_give(&conn->loop->pool, cork);
}

/* Collects a response within a turn. Returns false if it does not fit. */
static bool
add_to_cork(struct gw_conn *conn, const uv_buf_t *pieces, unsigned n)
{
    struct gw_buffer *cork = conn->cork;
    size_t total = 0;

    for (unsigned i = 0; i < n; i++)
        total += pieces[i].len;
    if (cork == NULL)
        cork = conn->cork = gw_pool_take(&conn->loop->pool, LIMIT_FRAME_HEAD);
    if (cork == NULL || cork->len + total > cork->size)
        return false;
    for (unsigned i = 0; i < n; i++) {
        memcpy(cork->bytes + cork->len, pieces[i].base, pieces[i].len);
        cork->len += (uint32_t)pieces[i].len;
    }
    return true;
}

/* ---- what waits ---- */

void
gw_conn_bound(struct gw_conn *conn, int64_t bytes)
{
    conn->out_most = bytes;
}

bool
gw_conn_is_full(const struct gw_conn *conn)
{
    return conn->out != NULL && conn->out_full;
}

void
gw_conn_notify_waiter(struct gw_conn *conn)
{
    struct gw_write_waiter *waiter = conn->write_waiter;

    conn->write_waiter = NULL;
    if (waiter != NULL)
        waiter->done(waiter);
}

/* The socket has taken everything. */
static void
drained(struct gw_conn *conn)
{
    gw_spool_free(conn->out);
    conn->out = NULL;
    conn->out_full = false;
    gw_timer_unset(conn->loop, &conn->timer);
    gw_conn_notify_waiter(conn);
    if (conn->life == GW_CONN_CLOSING || conn->out != NULL)
        return;
    if (conn->phase == GW_REQUEST_BODY)
        gw_conn_expect_progress(conn);
    gw_conn_advance(conn);
    gw_conn_stand(conn);
}

static void send_next(struct gw_conn *conn);

static void
on_written(uv_write_t *req, int status)
{
    struct gw_conn *conn = req->data;

    conn->out_at += (int64_t)conn->out_sending;
    conn->out_sending = 0;
    if (conn->life == GW_CONN_CLOSING)
        return;
    if (status < 0)
        gw_conn_close(conn);
    else if (conn->out_at == gw_spool_len(conn->out))
        drained(conn);
    else
        send_next(conn);
}

static void
send_next(struct gw_conn *conn)
{
    const unsigned char *bytes;
    size_t n = 0;
    int status;
    uv_buf_t piece;

    if (conn->out_sending > 0)
        return;
    status = gw_spool_read(conn->out, conn->out_at, &bytes, &n);
    if (status == 0)
        return; /* on_ready follows */
    piece = uv_buf_init((char *)(uintptr_t)bytes, (unsigned)n);
    conn->out_req.data = conn;
    conn->out_sending = n;
    if (status < 0 || uv_write(&conn->out_req, &conn->u.stream, &piece, 1, on_written) < 0) {
        conn->out_sending = 0;
        gw_conn_close(conn);
    }
}

/* The file of the waiting bytes has been written or read. */
static void
on_ready(void *user)
{
    struct gw_conn *conn = user;

    if (conn->life == GW_CONN_CLOSING)
        return;
    send_next(conn);
    if (conn->life == GW_CONN_CLOSING || !conn->out_full || !gw_spool_has_room(conn->out) ||
        gw_spool_len(conn->out) > conn->out_most)
        return;
    conn->out_full = false;
    gw_conn_notify_waiter(conn);
}

/* Whether the client has taken anything since the timer looked last. */
bool
gw_conn_is_taking(struct gw_conn *conn)
{
    int64_t queued = (int64_t)uv_stream_get_write_queue_size(&conn->u.stream);
    int64_t taken = conn->out_at + (int64_t)conn->out_sending - queued;
    bool took = taken > conn->out_checked;

    conn->out_checked = taken;
    return took;
}

/* Keeps what the socket did not take. Returns false if there is no memory. */
static bool
keep(struct gw_conn *conn, const uv_buf_t *pieces, unsigned n)
{
    if (conn->out == NULL) {
        conn->out = gw_spool_new(conn->loop, NULL, on_ready, conn);
        if (conn->out == NULL)
            return false;
        conn->out_at = conn->out_checked = 0;
        gw_timer_set(conn->loop, &conn->timer, conn->loop->gw->http->write_timeout_ms,
                     conn->timer.fire);
        gw_conn_stand(conn);
    }
    for (unsigned i = 0; i < n; i++) {
        int status = gw_spool_append(conn->out, pieces[i].base, pieces[i].len);

        if (status == -ENOMEM)
            return false;
        conn->out_full = conn->out_full || status < 0;
    }
    conn->out_full = conn->out_full || gw_spool_len(conn->out) > conn->out_most ||
                     !gw_spool_memory_allows(conn->loop, 0);
    send_next(conn);
    return true;
}

void
gw_conn_write(struct gw_conn *conn, uv_buf_t *pieces, unsigned n)
{
    if (conn->life == GW_CONN_CLOSING || (conn->corked && add_to_cork(conn, pieces, n)))
        return;
    gw_conn_uncork(conn);
    if (conn->life == GW_CONN_CLOSING)
        return;
    if (conn->tls == NULL)
        gw_conn_send(conn, pieces, n);
    else if (!gw_tls_write(conn, pieces, n))
        gw_conn_close(conn);
}

void
gw_conn_send(struct gw_conn *conn, uv_buf_t *pieces, unsigned n)
{
    int sent = UV_EAGAIN;

    if (conn->life == GW_CONN_CLOSING)
        return;
    if (conn->out == NULL)
        sent = uv_try_write(&conn->u.stream, pieces, n);
    if (sent < 0 && sent != UV_EAGAIN) {
        gw_conn_close(conn);
        return;
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
    if (n > 0 && !keep(conn, pieces, n))
        gw_conn_close(conn);
}
