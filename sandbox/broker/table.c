/* table.c: the connections of the instances. A function closes its sockets itself, and nobody is
 * told: the kernel is asked before a bound is enforced, when the gateway asks, and now and then. */
#include "broker/private.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

struct connection *
table_find(struct instance *inst, uint64_t inode)
{
    struct connection *c = inst->connections;

    while (c != NULL && c->socket.inode != inode)
        c = c->next;
    return c;
}

struct connection *
table_add(struct broker *b, struct instance *inst, int fd, const char *text)
{
    struct connection *c = calloc(1, sizeof *c);
    struct stat st;
    socklen_t n = sizeof c->socket.family;

    if (c == NULL || fstat(fd, &st) != 0 ||
        getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &c->socket.family, &n) != 0) {
        free(c);
        return NULL;
    }
    c->instance = inst;
    c->number = ++b->next_number;
    c->socket.inode = st.st_ino;
    c->fd = -1;
    (void)strncpy(c->text, text, sizeof c->text - 1);
    c->next = inst->connections;
    if (c->next != NULL)
        c->next->prev = c;
    inst->connections = c;
    inst->count++;
    b->connections++;
    return c;
}

static void
on_closed(uv_handle_t *handle)
{
    struct connection *c = handle->data;

    if (--c->handles > 0)
        return;
    if (c->fd >= 0)
        (void)close(c->fd);
    c->fd = -1;
    if (c->gone)
        free(c);
}

static void
stop_waiting(struct connection *c)
{
    if (c->handles == 0 || uv_is_closing((uv_handle_t *)&c->poll))
        return;
    uv_close((uv_handle_t *)&c->poll, on_closed);
    uv_close((uv_handle_t *)&c->timer, on_closed);
}

void
table_remove(struct broker *b, struct connection *c)
{
    *(c->prev != NULL ? &c->prev->next : &c->instance->connections) = c->next;
    if (c->next != NULL)
        c->next->prev = c->prev;
    c->instance->count--;
    b->connections--;
    c->gone = true;
    stop_waiting(c);
    if (c->handles == 0)
        free(c);
}

void
table_settled(struct broker *b, struct connection *c, int fd)
{
    socklen_t n = sizeof c->socket.local;

    (void)getsockname(fd, (struct sockaddr *)&c->socket.local, &n);
    n = sizeof c->socket.remote;
    (void)getpeername(fd, (struct sockaddr *)&c->socket.remote, &n);
    stop_waiting(c);
    table_prune(b, c->instance); /* a function that connects anew has often closed another one */
    c->opened = true;
    report_connection(b, c, BROKER_OPENED, 0, 0, 0);
}

void
table_failed(struct broker *b, struct connection *c, int status)
{
    report_connection(b, c, BROKER_FAILED, status, 0, 0);
    table_remove(b, c);
}

/* Not by SO_ERROR, which would take the error from the function. */
static void
on_settled(uv_poll_t *poll, int status, int events)
{
    struct connection *c = poll->data;
    struct broker *b = poll->loop->data;
    struct tcp_info info = {0};
    socklen_t n = sizeof info;

    (void)status;
    (void)events;
    (void)getsockopt(c->fd, IPPROTO_TCP, TCP_INFO, &info, &n);
    if (info.tcpi_state == TCP_SYN_SENT || info.tcpi_state == TCP_SYN_RECV)
        return;
    if (info.tcpi_state == TCP_CLOSE) {
        table_failed(b, c, 0);
        return;
    }
    table_settled(b, c, c->fd);
}

/* The function may wait for ever: its own wait ends with an error now, before its call does. */
static void
on_too_slow(uv_timer_t *timer)
{
    struct connection *c = timer->data;

    (void)shutdown(c->fd, SHUT_RDWR);
    table_failed(timer->loop->data, c, ETIMEDOUT);
}

void
table_await(struct broker *b, struct connection *c, int fd, uint32_t left_ms)
{
    int flags = fcntl(fd, F_GETFL);

    if (flags < 0 || uv_poll_init(&b->loop, &c->poll, fd) != 0) {
        (void)close(fd);
        table_remove(b, c);
        return;
    }
    (void)fcntl(fd, F_SETFL, flags); /* libuv has made it non-blocking, for the function too */
    (void)uv_timer_init(&b->loop, &c->timer);
    c->fd = fd;
    c->handles = 2;
    c->poll.data = c->timer.data = c;
    (void)uv_timer_start(&c->timer, on_too_slow, left_ms, 0);
    (void)uv_poll_start(&c->poll, UV_WRITABLE | UV_DISCONNECT, on_settled);
}

static void
look(struct broker *b, struct instance *inst, bool tell)
{
    struct connection *next;

    for (struct connection *c = inst->connections; c != NULL; c = next) {
        uint64_t sent, received;

        next = c->next;
        if (!c->opened)
            continue;
        if (!diag_is_open(b->diag, &c->socket, &sent, &received)) {
            report_connection(b, c, BROKER_CLOSED, 0, 0, 0);
            table_remove(b, c);
        } else if (tell) {
            report_connection(b, c, BROKER_USED, 0, sent, received);
        }
    }
}

void
table_prune(struct broker *b, struct instance *inst)
{
    look(b, inst, false);
}

void
table_look(struct broker *b, struct instance *inst)
{
    look(b, inst, true);
}
