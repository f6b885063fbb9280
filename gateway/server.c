/* server.c: the listeners that the launcher bound, and the end of the daemon. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "deploy.h"
#include "gateway.h"
#include "log.h"

static void
on_connection(uv_stream_t *listener, int status)
{
    struct gw *gw = listener->data;
    bool is_admin = gw->admin_alone && listener == &gw->listeners[gw->listeners_count - 1].stream;

    if (status < 0) {
        log_warning("accept: %s", uv_strerror(status));
        return;
    }
    gw_conn_accept(gw, listener, !is_admin, is_admin || !gw->admin_alone);
}

static int
open_one(struct gw *gw, int fd)
{
    int slot = gw->listeners_count;
    int domain = 0, status;
    socklen_t len = sizeof domain;

    if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) != 0)
        return -errno;
    if (domain == AF_UNIX) {
        status = uv_pipe_init(gw->loop, &gw->listeners[slot].pipe, 0);
        if (status == 0)
            status = uv_pipe_open(&gw->listeners[slot].pipe, fd);
    } else {
        status = uv_tcp_init(gw->loop, &gw->listeners[slot].tcp);
        if (status == 0)
            status = uv_tcp_open(&gw->listeners[slot].tcp, fd);
    }
    if (status < 0)
        return status;
    gw->listeners[slot].handle.data = gw;
    gw->listeners_count++;
    return 0;
}

int
gw_server_open(struct gw *gw, int first_fd, int count, bool admin, struct hearth_err *err)
{
    gw->admin_alone = admin;
    for (int i = 0; i < count + admin; i++) {
        int status = open_one(gw, first_fd + i);

        if (status < 0)
            return err_set(err, -status, "use the listening socket %d", first_fd + i);
    }
    for (int i = 0; i < gw->listeners_count; i++) {
        int status = uv_listen(&gw->listeners[i].stream, 4096, on_connection);

        if (status < 0)
            return err_set(err, -status, "listen");
    }
    return 0;
}

/* New calls are refused from now on; those that run may finish. */
void
gw_server_drain(struct gw *gw)
{
    if (gw->draining)
        return;
    gw->draining = true;
    gw->drain_by_ms = gw_now_ms() + gw->config.drain_time_ms;
    gw_keep_ticking(gw);
    gw_server_check_drained(gw);
}

static bool
anything_runs(struct gw *gw)
{
    for (struct gw_conn *conn = gw->conns; conn != NULL; conn = conn->next)
        if (!conn->closing && (conn->call != NULL || conn->admin != NULL || conn->writes > 0))
            return true;
    return false;
}

void
gw_server_check_drained(struct gw *gw)
{
    if (!gw->draining)
        return;
    if (anything_runs(gw) && gw_now_ms() < gw->drain_by_ms)
        return;
    uv_stop(gw->loop);
}
