/* report.c: messages to the gateway, which may be slow or dead: they wait in a bounded queue. */
#include "broker/private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define QUEUE     8192
#define REPORT_MS 1000
#define BURST     10 /* refusals of one instance that are reported at once, in that time */

struct report {
    struct broker *broker;
    uv_poll_t *poll; /* NULL: there is no gateway */
    int fd;
    void (*on_message)(struct broker *b, const union broker_message *msg);
    struct broker_event queue[QUEUE];
    unsigned first, count;
    bool lost; /* the queue was full */
};

int
report_open(struct broker *b)
{
    b->report = calloc(1, sizeof *b->report);
    if (b->report == NULL)
        return -ENOMEM;
    b->report->broker = b;
    b->report->fd = -1;
    return 0;
}

static void
on_closed(uv_handle_t *handle)
{
    free(handle);
}

static void
forget_gateway(struct report *r)
{
    if (r->poll == NULL)
        return;
    uv_close((uv_handle_t *)r->poll, on_closed);
    (void)close(r->fd);
    r->poll = NULL;
    r->fd = -1;
    r->first = r->count = 0;
}

/* False: it would have to wait. */
static bool
send_one(const struct report *r, const struct broker_event *event)
{
    ssize_t sent = send(r->fd, event, event->head.length, MSG_DONTWAIT | MSG_NOSIGNAL);

    return sent >= 0 || (errno != EAGAIN && errno != ENOBUFS);
}

static void
drain(struct report *r)
{
    while (r->count > 0 && send_one(r, &r->queue[r->first])) {
        r->first = (r->first + 1) % QUEUE;
        r->count--;
    }
}

static void
on_ready(uv_poll_t *poll, int status, int events)
{
    struct report *r = poll->data;
    union broker_message msg;
    ssize_t got;

    if ((events & UV_WRITABLE) != 0) {
        drain(r);
        if (r->count == 0)
            (void)uv_poll_start(poll, UV_READABLE, on_ready);
    }
    if (status >= 0 && (events & UV_READABLE) == 0)
        return;
    got = recv(r->fd, &msg, sizeof msg, MSG_DONTWAIT);
    if (got > 0 && broker_is(&msg, (size_t)got, BROKER_POLICY, BROKER_LOOK))
        r->on_message(r->broker, &msg);
    else if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
        forget_gateway(r);
}

int
report_set(struct broker *b, int fd,
           void (*on_message)(struct broker *b, const union broker_message *msg))
{
    struct report *r = b->report;
    uv_poll_t *poll = malloc(sizeof *poll);

    forget_gateway(r);
    if (poll == NULL || uv_poll_init(&b->loop, poll, fd) != 0) {
        free(poll);
        (void)close(fd);
        return -ENOMEM;
    }
    poll->data = r;
    r->poll = poll;
    r->fd = fd;
    r->on_message = on_message;
    return uv_poll_start(poll, UV_READABLE, on_ready);
}

void
report_event(struct broker *b, const struct broker_event *event)
{
    struct report *r = b->report;

    if (r->poll == NULL || (r->count == 0 && send_one(r, event)))
        return;
    if (r->count == QUEUE) {
        r->lost = true;
        return;
    }
    r->queue[(r->first + r->count++) % QUEUE] = *event;
    (void)uv_poll_start(r->poll, UV_READABLE | UV_WRITABLE, on_ready);
}

bool
report_has_lost(struct broker *b)
{
    bool lost = b->report->lost && b->report->count == 0;

    if (lost)
        b->report->lost = false;
    return lost;
}

void
report_head(struct broker *b, unsigned type, uint64_t id)
{
    struct broker_event event = {.head = {.version = BROKER_VERSION,
                                          .type = (uint16_t)type,
                                          .length = sizeof event.head,
                                          .id = id}};

    report_event(b, &event);
}

void
report_connection(struct broker *b, const struct connection *c, unsigned type, int status,
                  uint64_t sent, uint64_t received)
{
    struct broker_event event = {.head = BROKER_HEAD(0, event, c->instance->id),
                                 .number = c->number,
                                 .inode = c->socket.inode,
                                 .sent = sent,
                                 .received = received,
                                 .count = 1,
                                 .status = status};

    event.head.type = (uint16_t)type;
    memcpy(event.text, c->text, sizeof event.text);
    report_event(b, &event);
}

void
report_refusals_left(struct broker *b, struct instance *inst)
{
    struct refusals *r = &inst->refused;
    struct broker_event event = {
        .head = BROKER_HEAD(0, event, inst->id), .count = r->count, .status = r->status};

    if (r->count == 0)
        return;
    event.head.type = r->type;
    memcpy(event.text, r->text, sizeof event.text);
    report_event(b, &event);
    r->count = 0;
    if (uv_now(&b->loop) >= r->reported_ms + REPORT_MS) {
        r->tokens = BURST;
        r->reported_ms = uv_now(&b->loop);
    }
}

void
report_refusal(struct broker *b, struct instance *inst, unsigned type, int status, const char *text)
{
    struct refusals *r = &inst->refused;

    if (r->count == 0) { /* else the first one gives the name */
        r->type = (uint16_t)type;
        r->status = status;
        (void)strncpy(r->text, text, sizeof r->text - 1);
        r->text[sizeof r->text - 1] = '\0';
    }
    r->count++;
    if (r->tokens == 0 && uv_now(&b->loop) < r->reported_ms + REPORT_MS)
        return;
    r->tokens = r->tokens > 0 ? r->tokens - 1 : 0;
    report_refusals_left(b, inst);
}
