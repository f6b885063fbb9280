/* server.c: the listeners that the launcher bound, and the end of the daemon. */
#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "gateway.h"
#include "http/connection.h"
#include "log.h"

static void
on_readable(uv_poll_t *poll, int status, int events)
{
    struct gw_loop *loop = poll->data;
    struct gw_listener *listener = (struct gw_listener *)(void *)poll;
    bool is_admin = listener == &loop->listeners[1];

    if (status < 0)
        log_warning("a listening socket fails: %s", uv_strerror(status));
    else
        gw_conn_accept(loop, listener, !is_admin, is_admin || !loop->gw->admin_alone);
}

static int
open_one(struct gw_loop *loop, int fd)
{
    struct gw_listener *listener = &loop->listeners[loop->listeners_count];
    int domain = 0, status;
    socklen_t len = sizeof domain;

    static_assert(offsetof(struct gw_listener, poll) == 0,
                  "on_readable goes from one to the other");
    if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) != 0)
        return -errno;
    if (loop->spare_fd < 0 && (loop->spare_fd = eventfd(0, EFD_CLOEXEC)) < 0)
        return -errno;
    listener->fd = fd;
    listener->is_unix = domain == AF_UNIX;
    status = uv_poll_init(loop->uv, &listener->poll, fd);
    listener->poll.data = loop;
    if (status == 0)
        status = uv_poll_start(&listener->poll, UV_READABLE, on_readable);
    if (status == 0)
        loop->listeners_count++;
    return status;
}

int
gw_server_open(struct gw *gw, int first_fd, int count, bool admin, struct hearth_err *err)
{
    int status = 0;

    gw->admin_alone = admin;
    /* fewer than loops: a unix socket; the main loop hands connections on */
    for (int i = 0; i < count && i < (int)gw->loops_count && status == 0; i++)
        status = open_one(gw->loops[i], first_fd + i);
    if (status == 0 && admin)
        status = open_one(gw_main_loop(gw), first_fd + count);
    return status == 0 ? 0 : err_set(err, -status, "use the listening sockets");
}

/* New calls are refused from now on; those that run may finish. */
void
gw_server_drain(struct gw *gw)
{
    if (gw->draining)
        return;
    gw->drain_by_ms = gw_now_ms() + gw->config.drain_time_ms;
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
        for (struct gw_conn *conn = loop->standing[s]; conn != NULL; conn = conn->next)
            if (conn->exchange != NULL || conn->writes > 0)
                return true;
    return false;
}

/* Every loop says so for itself; the main one ends the program. */
void
gw_server_check_drained(struct gw_loop *loop)
{
    struct gw *gw = loop->gw;
    bool all = true;

    if (!gw->draining)
        return;
    loop->drained = !anything_runs(loop);
    if (loop->lane != 0)
        return;
    for (uint32_t i = 0; i < gw->loops_count; i++)
        all = all && gw->loops[i]->drained;
    if (all || gw_now_ms() >= gw->drain_by_ms)
        uv_stop(loop->uv);
}
