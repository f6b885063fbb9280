/* server.c: opens the listeners that the launcher bound, and drains the daemon. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "connection.h"
#include "log.h"

int
gw_http_attach(struct gw_loop *loop)
{
    struct gw_http_loop *http = calloc(1, sizeof *http);

    if (http == NULL)
        return -ENOMEM;
    http->spare_fd = -1;
    loop->http = http;
    if (getrandom(&http->id_seed, sizeof http->id_seed, 0) < 0)
        return -errno;
    gw_conn_backlog_init(loop);
    return 0;
}

static void
on_readable(uv_poll_t *poll, int status, int events)
{
    struct gw_loop *loop = poll->data;
    struct gw_listener *listener = (struct gw_listener *)(void *)poll;
    bool is_admin = listener == &loop->http->listeners[1];

    if (status < 0)
        log_warning("a listening socket failed: %s", uv_strerror(status));
    else
        gw_conn_accept(loop, listener, !is_admin, is_admin || !loop->gw->http->admin_alone);
}

static int
open_one(struct gw_loop *loop, int fd)
{
    struct gw_listener *listener = &loop->http->listeners[loop->http->listeners_count];
    int domain = 0, status;
    socklen_t len = sizeof domain;

    static_assert(offsetof(struct gw_listener, poll) == 0, "on_readable casts one to the other");
    if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) != 0)
        return -errno;
    if (loop->http->spare_fd < 0 && (loop->http->spare_fd = eventfd(0, EFD_CLOEXEC)) < 0)
        return -errno;
    listener->fd = fd;
    listener->is_unix = domain == AF_UNIX;
    status = uv_poll_init(loop->uv, &listener->poll, fd);
    listener->poll.data = loop;
    if (status == 0)
        status = uv_poll_start(&listener->poll, UV_READABLE, on_readable);
    if (status == 0)
        loop->http->listeners_count++;
    return status;
}

int
gw_server_open(struct gw *gw, int first_fd, int count, bool admin, struct hearth_err *err)
{
    int status = 0;

    gw->http->admin_alone = admin;
    gw->http->one_listener = count < (int)gw->loops_count;
    for (int i = 0; i < count && i < (int)gw->loops_count && status == 0; i++)
        status = open_one(gw->loops[i], first_fd + i);
    if (status == 0 && admin)
        status = open_one(gw_main_loop(gw), first_fd + count);
    return status == 0 ? 0 : err_set(err, -status, "open the listening sockets");
}

/* Refuses new calls from now on. Running calls may finish. */
void
gw_server_drain(struct gw *gw)
{
    if (gw->draining)
        return;
    gw->http->drain_by_ms = gw_now_ms() + gw->http->drain_time_ms;
    gw->draining = true;
    for (uint32_t i = 1; i < gw->loops_count; i++)
        gw_wake_loop(gw->loops[i]);
    gw_keep_ticking(gw_main_loop(gw));
    gw_server_check_drained(gw_main_loop(gw));
}

static bool
anything_runs(struct gw_loop *loop)
{
    for (int s = 0; s < GW_STANDINGS; s++)
        for (struct gw_conn *conn = loop->http->standing[s]; conn != NULL; conn = conn->next)
            if (conn->exchange != NULL || gw_conn_is_writing(conn))
                return true;
    return false;
}

/* Every loop reports for itself. The main loop ends the program. */
void
gw_server_check_drained(struct gw_loop *loop)
{
    struct gw *gw = loop->gw;
    bool all = true;

    if (!gw->draining)
        return;
    loop->http->drained = !anything_runs(loop);
    if (loop->lane != 0)
        return;
    for (uint32_t i = 0; i < gw->loops_count; i++)
        all = all && gw->loops[i]->http->drained;
    if (all || gw_now_ms() >= gw->http->drain_by_ms)
        uv_stop(loop->uv);
}
