/* accept.c: accepts connections, evicts one if the limit is reached, and moves them between loops.
 *
 * The limit is half of the descriptors. Every connection is in the list of its standing
 * (gw_standing). When all places are taken, a new connection replaces the oldest one of the lowest
 * non-empty list, so that a client with many connections cannot lock out the others. If every
 * connection is being served, the new client is refused with 503.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utlist.h>

#include "answer.h"
#include "connection.h"
#include "log.h"
#include "loop.h"
#include "tls.h"

#define ADMIN_CONNS     32    /* above conns_max, for a separate listener of operators */
#define OVER_CONNS      64    /* above conns_max, until another loop has closed one */
#define ACCEPTS_AT_ONCE 64    /* then other events have their turn */
#define FULL_LOG_MS     10000 /* between two log lines about it */

/* ---- standing ---- */

static enum gw_standing
standing_of(const struct gw_conn *conn)
{
    if (conn->life == GW_CONN_LINGERING || (conn->responded && conn->phase != GW_REQUEST_WHOLE))
        return GW_STANDS_ENDED;
    if (conn->responded || conn->phase == GW_REQUEST_NONE)
        return gw_conn_is_writing(conn) ? GW_STANDS_READING : GW_STANDS_IDLE;
    if (conn->phase < GW_REQUEST_BODY)
        return GW_STANDS_HEAD;
    return conn->phase == GW_REQUEST_WHOLE && !gw_conn_is_writing(conn) ? GW_STANDS_SERVED
                                                                        : GW_STANDS_HOLDING;
}

void
gw_conn_stand(struct gw_conn *conn)
{
    struct gw_conn **lists = conn->loop->http->standing;
    enum gw_standing standing = standing_of(conn);

    if (standing == conn->standing || conn->life == GW_CONN_CLOSING)
        return;
    if (conn->standing < GW_STANDINGS)
        DL_DELETE(lists[conn->standing], conn);
    DL_APPEND(lists[standing], conn);
    conn->standing = standing;
}

void
gw_conn_leave(struct gw_conn *conn)
{
    if (conn->standing < GW_STANDINGS)
        DL_DELETE(conn->loop->http->standing[conn->standing], conn);
    conn->standing = GW_STANDINGS;
}

/* ---- places ---- */

/* Closes the least valuable connection. Returns false if all are being served. */
static bool
shed_one(struct gw_loop *loop)
{
    for (int s = 0; s < GW_STANDS_SERVED; s++)
        if (loop->http->standing[s] != NULL) {
            gw_conn_close(loop->http->standing[s]);
            return true;
        }
    return false;
}

static void
deliver_shed(struct gw_loop *loop, struct gw_mail *mail)
{
    (void)mail;
    atomic_store(&loop->http->shed_asked, false);
    (void)shed_one(loop);
}

/* Asks the other loops to close one. Returns false if none of them has connections. */
static bool
ask_others_to_shed(struct gw_loop *loop)
{
    struct gw *gw = loop->gw;
    bool asked = false;

    for (uint32_t i = 0; i < gw->loops_count; i++) {
        struct gw_loop *other = gw->loops[i];

        if (other == loop || other->http->conns_count == 0)
            continue;
        asked = true;
        if (!atomic_exchange(&other->http->shed_asked, true))
            gw_post(other, &other->http->shed_mail, deliver_shed);
    }
    return asked;
}

uint32_t
gw_conns_count(const struct gw *gw)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < gw->loops_count; i++)
        count += gw->loops[i]->http->conns_count;
    return count;
}

static void
report_full(struct gw *gw)
{
    int64_t logged_ms = gw->http->full_logged_ms, now_ms = gw_now_ms();

    if (now_ms - logged_ms > FULL_LOG_MS &&
        atomic_compare_exchange_strong(&gw->http->full_logged_ms, &logged_ms, now_ms))
        log_warning("all %u places for connections are taken (half of ulimit -n): the least used "
                    "ones are closed for new ones",
                    gw->http->conns_max);
}

/* A separate listener for operators has some extra places. A place above the limit is also given
 * while another loop closes a connection. */
static bool
find_place(struct gw_loop *loop, bool admin_alone)
{
    struct gw *gw = loop->gw;
    uint32_t count = gw_conns_count(gw),
             most = gw->http->conns_max + (admin_alone ? ADMIN_CONNS : 0);

    if (count < most)
        return true;
    report_full(gw);
    return shed_one(loop) || (ask_others_to_shed(loop) && count < most + OVER_CONNS);
}

/* ---- new ones ---- */

static const char all_taken[] = "all places for connections are taken";

/* Refuses a client without a gw_conn record, in a single write. */
static void
refuse_client(int fd, const char *why)
{
    struct gw_answer answer;
    char text[1024];
    int n;

    gw_problem_make(&answer, GW_OVERLOADED, NULL, 1, NULL, why);
    n = snprintf(text, sizeof text,
                 "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n%s"
                 "Connection: close\r\n\r\n%s",
                 answer.status, gw_status_text(answer.status), answer.type, answer.len,
                 answer.fields, answer.body != NULL ? answer.body : "");
    /* the socket is non-blocking; the filter does not allow send */
    (void)!write(fd, text, (size_t)n);
    (void)shutdown(fd, SHUT_WR);
    (void)close(fd);
    free(answer.body);
}

static int
accept_one(const struct gw_listener *listener)
{
    int fd;

    do
        fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    while (fd < 0 && (errno == EINTR || errno == ECONNABORTED));
    return fd;
}

/* The process has run out of descriptors. Closes a connection to accept the next one. If none can
 * be closed, the spare descriptor is used to refuse the client. */
static int
accept_without_descriptors(struct gw_loop *loop, const struct gw_listener *listener)
{
    int fd;

    report_full(loop->gw);
    if (shed_one(loop))
        return accept_one(listener);
    if (loop->http->spare_fd >= 0)
        (void)close(loop->http->spare_fd);
    fd = accept_one(listener);
    if (fd >= 0)
        refuse_client(fd, all_taken);
    loop->http->spare_fd = eventfd(0, EFD_CLOEXEC);
    errno = fd >= 0 ? ECONNABORTED : errno;
    return -1;
}

static void
admit(struct gw_loop *loop, const struct gw_listener *listener, int fd, bool calls, bool admin)
{
    bool place = find_place(loop, admin && !calls);
    struct gw_conn *conn = place ? gw_conn_new(loop, listener->is_unix, calls, admin) : NULL;
    int status;

    loop->http->conns_total++;
    if (conn == NULL) {
        refuse_client(fd, all_taken);
        return;
    }
    if (!gw_conn_learn_peer(conn, fd)) {
        refuse_client(fd, "too many clients of this address are connected "
                          "(connections_per_address)");
        gw_conn_close(conn);
        return;
    }
    status = listener->is_unix ? uv_pipe_open(&conn->u.pipe, fd) : uv_tcp_open(&conn->u.tcp, fd);
    if (status < 0) {
        (void)close(fd);
        gw_conn_close(conn);
        return;
    }
    if (!listener->is_unix)
        (void)uv_tcp_nodelay(&conn->u.tcp, 1);
    if (!listener->is_unix && loop->gw->http->tls != NULL && !gw_tls_begin(conn)) {
        gw_tls_cut(conn);
        gw_conn_close(conn);
        return;
    }
    gw_conn_begin(conn);
}

void
gw_conn_accept(struct gw_loop *loop, struct gw_listener *listener, bool calls, bool admin)
{
    for (int i = 0; i < ACCEPTS_AT_ONCE; i++) {
        int fd = accept_one(listener);

        if (fd < 0 && (errno == EMFILE || errno == ENFILE))
            fd = accept_without_descriptors(loop, listener);
        if (fd >= 0)
            admit(loop, listener, fd, calls, admin);
        else if (errno != ECONNABORTED)
            return; /* nothing to accept, or the poll handle reports it again */
    }
}

/* ---- moving a connection to another loop, between two requests ---- */

struct moved_conn {
    struct gw_mail mail;
    int fd;
    bool is_unix, calls, admin;
};

static void
deliver_conn(struct gw_loop *loop, struct gw_mail *mail)
{
    struct moved_conn *m = (struct moved_conn *)(void *)mail;
    struct gw_conn *conn = gw_conn_new(loop, m->is_unix, m->calls, m->admin);
    int status = UV_ENOMEM;

    if (conn != NULL)
        status = m->is_unix ? uv_pipe_open(&conn->u.pipe, m->fd) : uv_tcp_open(&conn->u.tcp, m->fd);
    if (status < 0)
        (void)close(m->fd);
    else if (!gw_conn_learn_peer(conn, m->fd))
        status = UV_ECONNREFUSED; /* others of its address took its place meanwhile */
    free(m);
    if (status == 0)
        gw_conn_begin(conn);
    else if (conn != NULL)
        gw_conn_close(conn);
}

/* The other loop gets a duplicate of the descriptor; ours is closed with its handle. */
void
gw_conn_move(struct gw_conn *conn, struct gw_loop *to)
{
    struct moved_conn *m = calloc(1, sizeof *m);
    int fd;

    if (m == NULL)
        return;
    m->is_unix = conn->u.handle.type == UV_NAMED_PIPE;
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
