/* accept.c: who gets a place among the connections, who gives one up where there are as
 * many as descriptors are set aside for, and how one goes from a loop to another.
 *
 * Every connection stands in the list of what it is good for (gw_standing); a new one takes
 * the place of the first of the lowest list. So whoever holds many places shuts out nobody,
 * whatever they do with them. Where all are being served, a new client hears so (503).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utlist.h>

#include "gateway.h"
#include "http/answer.h"
#include "http/connection.h"
#include "log.h"

#define ADMIN_CONNS     32    /* over conns_max, on a listener for operators alone */
#define OVER_CONNS      64    /* over conns_max, until another loop has closed one */
#define ACCEPTS_AT_ONCE 64    /* before others have their turn */
#define FULL_SAID_MS    10000 /* between two lines in the log about it */

/* ---- what each is good for ---- */

static enum gw_standing
standing_of(const struct gw_conn *conn)
{
    if (conn->lingering || (conn->responded && !conn->message_complete))
        return GW_STANDS_ENDED;
    if (conn->responded || !conn->started)
        return conn->writes > 0 ? GW_STANDS_READING : GW_STANDS_IDLE;
    if (!conn->head_done)
        return GW_STANDS_HEAD;
    return conn->message_complete && conn->writes == 0 ? GW_STANDS_SERVED : GW_STANDS_HOLDING;
}

void
gw_conn_stand(struct gw_conn *conn)
{
    struct gw_conn **lists = conn->loop->standing;
    enum gw_standing standing = standing_of(conn);

    if (standing == conn->standing || conn->closing)
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
        DL_DELETE(conn->loop->standing[conn->standing], conn);
    conn->standing = GW_STANDINGS;
}

/* ---- places ---- */

/* Closes the one that is good for least. False: all are being served. */
static bool
shed_one(struct gw_loop *loop)
{
    for (int s = 0; s < GW_STANDS_SERVED; s++)
        if (loop->standing[s] != NULL) {
            gw_conn_close(loop->standing[s]);
            return true;
        }
    return false;
}

static void
deliver_shed(struct gw_loop *loop, struct gw_mail *mail)
{
    (void)mail;
    atomic_store(&loop->shed_asked, false);
    (void)shed_one(loop);
}

/* This loop has none to give: another one may. */
static bool
others_shed(struct gw_loop *loop)
{
    struct gw *gw = loop->gw;
    bool asked = false;

    for (uint32_t i = 0; i < gw->loops_count; i++) {
        struct gw_loop *other = gw->loops[i];

        if (other == loop || other->conns_count == 0)
            continue;
        asked = true;
        if (!atomic_exchange(&other->shed_asked, true))
            gw_post(other, &other->shed_mail, deliver_shed);
    }
    return asked;
}

static uint32_t
count_all(const struct gw *gw)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < gw->loops_count; i++)
        count += gw->loops[i]->conns_count;
    return count;
}

static void
say_full(struct gw *gw)
{
    int64_t said_ms = gw->full_said_ms, now_ms = gw_now_ms();

    if (now_ms - said_ms > FULL_SAID_MS &&
        atomic_compare_exchange_strong(&gw->full_said_ms, &said_ms, now_ms))
        log_warning("all %u places for connections are taken (half of the descriptors that "
                    "ulimit -n allows): those of least use are closed for new ones",
                    gw->conns_max);
}

/* Operators with a listener of their own find some places more; so does who waits for
 * another loop to give one up. */
static bool
find_place(struct gw_loop *loop, bool admin_alone)
{
    struct gw *gw = loop->gw;
    uint32_t count = count_all(gw), most = gw->conns_max + (admin_alone ? ADMIN_CONNS : 0);

    if (count < most)
        return true;
    say_full(gw);
    return shed_one(loop) || (others_shed(loop) && count < most + OVER_CONNS);
}

/* ---- new ones ---- */

/* Without a record of a connection: what one write takes of the answer. */
static void
refuse(int fd)
{
    struct gw_answer answer;
    char text[1024];
    int n;

    gw_problem_make(&answer, GW_OVERLOADED, NULL, 1, NULL, "all places for connections are taken");
    n = snprintf(text, sizeof text,
                 "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n%s"
                 "Connection: close\r\n\r\n%s",
                 answer.status, gw_status_text(answer.status), answer.type, answer.len,
                 answer.fields, answer.body != NULL ? answer.body : "");
    (void)!write(fd, text, (size_t)n); /* a socket that does not block; send is not in the filter */
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

/* No descriptor is left in this process: one connection makes room for the next, or the
 * spare descriptor for a word to the client. */
static int
accept_without_descriptors(struct gw_loop *loop, const struct gw_listener *listener)
{
    int fd;

    say_full(loop->gw);
    if (shed_one(loop))
        return accept_one(listener);
    if (loop->spare_fd >= 0)
        (void)close(loop->spare_fd);
    fd = accept_one(listener);
    if (fd >= 0)
        refuse(fd);
    loop->spare_fd = eventfd(0, EFD_CLOEXEC);
    errno = fd >= 0 ? ECONNABORTED : errno;
    return -1;
}

static void
take(struct gw_loop *loop, const struct gw_listener *listener, int fd, bool calls, bool admin)
{
    bool place = find_place(loop, admin && !calls);
    struct gw_conn *conn = place ? gw_conn_new(loop, listener->is_unix, calls, admin) : NULL;
    int status;

    loop->conns_total++;
    if (conn == NULL) {
        refuse(fd);
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
            take(loop, listener, fd, calls, admin);
        else if (errno != ECONNABORTED)
            return; /* there is no other, or it says so again */
    }
}

/* ---- from one loop to another, between two requests ---- */

struct moving {
    struct gw_mail mail;
    int fd;
    bool is_unix, calls, admin;
};

static void
deliver_conn(struct gw_loop *loop, struct gw_mail *mail)
{
    struct moving *m = (struct moving *)(void *)mail;
    struct gw_conn *conn = gw_conn_new(loop, m->is_unix, m->calls, m->admin);
    int status = UV_ENOMEM;

    if (conn != NULL)
        status = m->is_unix ? uv_pipe_open(&conn->u.pipe, m->fd) : uv_tcp_open(&conn->u.tcp, m->fd);
    if (status < 0)
        (void)close(m->fd);
    free(m);
    if (status == 0)
        gw_conn_begin(conn);
    else if (conn != NULL)
        gw_conn_close(conn);
}

/* The descriptor goes there under another number; ours is closed with its handle. */
void
gw_conn_move(struct gw_conn *conn, struct gw_loop *to)
{
    struct moving *m = calloc(1, sizeof *m);
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
