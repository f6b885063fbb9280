/* network.c: see network.h. */
#include "network.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "container.h"
#include "event_log.h"
#include "fd_passing.h"
#include "function.h"
#include "instance.h"
#include "journal.h"
#include "log.h"
#include "text.h"

#define LOOK_MS  1000
#define LOOK_BIT (UINT64_C(1) << 63) /* no instance has such a number */
#define WINDOW   100                 /* calls after which the connections are compared with them */
#define OFTEN    0.5                 /* connections per call */

static struct {
    uv_poll_t poll;
    int fd;
    struct gw_network_waiter *waiters;
    uint64_t looks;
} broker = {.fd = -1};

static void on_broker(uv_poll_t *poll, int status, int events);

/* ---- to the broker ---- */

/* False: the socket is full. */
static bool
send_message(const void *msg, size_t n)
{
    int status = broker.fd >= 0 ? fd_send(broker.fd, msg, n, NULL, 0, MSG_DONTWAIT) : 0;

    return status != -EAGAIN && status != -ENOBUFS;
}

static bool
send_head(unsigned type, uint64_t id)
{
    struct broker_head head = {
        .version = BROKER_VERSION, .type = (uint16_t)type, .length = sizeof head, .id = id};

    return send_message(&head, sizeof head);
}

/* What could not be sent is sent once the socket has room. */
static void
send_later(struct gw_instance *inst)
{
    inst->policy_unsent = true;
    (void)uv_poll_start(&broker.poll, UV_READABLE | UV_WRITABLE, on_broker);
}

void
gw_network_publish(struct gw_instance *inst)
{
    const struct gw_settings *settings = gw_instance_settings(inst);
    struct broker_policy policy = {.head = BROKER_HEAD(BROKER_POLICY, policy, inst->id),
                                   .connections = (uint32_t)settings->numbers.connections};

    memcpy(policy.list, settings->network, sizeof policy.list);
    inst->policy_unsent = false;
    if (!send_message(&policy, sizeof policy))
        send_later(inst);
}

static void
publish_all(struct gw *gw, bool unsent)
{
    struct gw_instance *inst, *next;

    HASH_ITER (hh, gw->instances->table, inst, next)
        if (inst->has_network && (!unsent || inst->policy_unsent))
            gw_network_publish(inst);
}

static void
free_connections(struct gw_instance *inst)
{
    while (inst->connections != NULL) {
        struct gw_connection *c = inst->connections;

        inst->connections = c->next;
        free(c);
    }
}

void
gw_network_forget(struct gw_instance *inst)
{
    if (inst->has_network)
        (void)send_head(BROKER_FORGET, inst->id); /* it sees the end of the worker's socket too */
    free_connections(inst);
}

static bool
is_listed(const char *list, const char *text)
{
    size_t n = strlen(text);

    while (*list != '\0') {
        size_t part = strcspn(list, ",");

        if (part == n && memcmp(list, text, n) == 0)
            return true;
        list += part + (list[part] == ',');
    }
    return false;
}

static unsigned
cut(struct gw_instance *inst)
{
    struct launch_message msg = {.type = LAUNCH_CUT, .id = inst->id};
    unsigned count = 0;

    for (const struct gw_connection *c = inst->connections; c != NULL; c = c->next) {
        if (is_listed(inst->function->settings.network, c->text))
            continue;
        count++;
        msg.u.cut.inode[msg.u.cut.count++] = c->inode;
        if (msg.u.cut.count == LAUNCH_CUT_MOST) {
            (void)launch_client_send(&inst->gw->instances->launcher, &msg);
            msg.u.cut.count = 0;
        }
    }
    if (msg.u.cut.count > 0)
        (void)launch_client_send(&inst->gw->instances->launcher, &msg);
    return count;
}

unsigned
gw_network_follow(struct gw_function *f)
{
    unsigned count = 0;

    for (struct gw_instance *inst = f->instances; inst != NULL; inst = inst->next) {
        if (!inst->has_network || inst->checker != NULL)
            continue;
        gw_network_publish(inst);
        count += cut(inst);
    }
    return count;
}

/* ---- from the broker ---- */

static struct gw_connection **
find(struct gw_instance *inst, uint64_t number)
{
    struct gw_connection **at = &inst->connections;

    while (*at != NULL && (*at)->number != number)
        at = &(*at)->next;
    return at;
}

/* Whether the function keeps its connections: told once, until it does. */
static void
compare_with_calls(struct gw_function *f)
{
    struct gw_network_counts *n = &f->network;
    uint64_t calls = f->calls - n->window_calls;

    if (calls < WINDOW)
        return;
    n->per_call = (double)(n->opened - n->window_opened) / (double)calls;
    n->window_calls = f->calls;
    n->window_opened = n->opened;
    if (n->per_call > OFTEN && !n->told) {
        gw_event(f->name, "connects_often", ",\"connections_per_call\":%.2f,\"calls\":%llu",
                 n->per_call, (unsigned long long)calls);
        gw_journal_say(f, 0, 2, "",
                       "%.2f connections per call in the last %llu calls: keep them open from "
                       "call to call, in a static variable",
                       n->per_call, (unsigned long long)calls);
    }
    n->told = n->per_call > OFTEN;
}

static void
opened(struct gw_instance *inst, const struct broker_event *event)
{
    struct gw_function *f = inst->function;
    struct gw_connection *c = *find(inst, event->number);

    if (c != NULL) { /* again, after reports were lost */
        c->stale = false;
        return;
    }
    c = calloc(1, sizeof *c);
    f->network.opened++;
    compare_with_calls(f);
    if (c == NULL)
        return;
    c->number = event->number;
    c->inode = event->inode;
    c->opened_ms = gw_now_ms();
    c->calls = inst->calls;
    c->sent = c->received = UINT64_MAX;
    memcpy(c->text, event->text, sizeof c->text);
    c->next = inst->connections;
    inst->connections = c;
    if (inst->checker == NULL && !is_listed(f->settings.network, c->text))
        (void)cut(inst); /* it was removed meanwhile */
}

static void
refused(struct gw_instance *inst, const struct broker_event *event)
{
    const char *why = "; setting network lists what it may connect to";

    if (event->status == EPERM)
        why = ": whatever network lists, the option network_allow of the daemon is needed for that";
    else if (event->status == ELOOP)
        why = ": the path leads through a symbolic link; setting network has to name the socket "
              "itself";
    inst->function->network.refused += event->count;
    gw_journal_say(inst->function, inst->id, 2, "",
                   "connecting to %s was refused with EACCES, %u time%s%s", event->text,
                   event->count, event->count == 1 ? "" : "s", why);
}

static void
limited(struct gw_instance *inst, const struct broker_event *event)
{
    const char *s = event->count == 1 ? "" : "s";

    inst->function->network.limited += event->count;
    if (event->status == EMFILE)
        gw_journal_say(inst->function, inst->id, 2, "",
                       "connecting to %s failed with EMFILE, %u time%s: %lld connections are open; "
                       "setting connections allows more",
                       event->text, event->count, s,
                       (long long)gw_instance_settings(inst)->numbers.connections);
    else
        gw_journal_say(
            inst->function, inst->id, 2, "",
            "connecting to %s failed with ENFILE, %u time%s: all instances together have "
            "as many connections open as the option network_connections allows",
            event->text, event->count, s);
}

static void
on_event(struct gw_instance *inst, const struct broker_event *event)
{
    struct gw_connection **at = find(inst, event->number), *c = *at;

    switch (event->head.type) {
    case BROKER_OPENED:
        opened(inst, event);
        break;
    case BROKER_FAILED:
        inst->function->network.failed++;
        break;
    case BROKER_REFUSED:
        refused(inst, event);
        break;
    case BROKER_LIMITED:
        limited(inst, event);
        break;
    case BROKER_CLOSED:
        if (c != NULL) {
            *at = c->next;
            free(c);
        }
        break;
    case BROKER_USED:
        if (c != NULL) {
            c->sent = event->sent;
            c->received = event->received;
        }
        break;
    default:
        break;
    }
}

/* A broker that was started anew knows nothing, or reports were lost. The connections live on; they
 * are not shown until they are reported again, and still cut. */
static void
on_hello(struct gw *gw)
{
    struct gw_instance *inst, *next;

    HASH_ITER (hh, gw->instances->table, inst, next)
        for (struct gw_connection *c = inst->connections; c != NULL; c = c->next)
            c->stale = true;
    publish_all(gw, false);
}

static void
looked(struct gw *gw, uint64_t number)
{
    struct gw_network_waiter **at = &broker.waiters;
    struct gw_network_waiter *waiter;

    while (*at != NULL && (*at)->number != number)
        at = &(*at)->next;
    waiter = *at;
    if (waiter == NULL)
        return;
    *at = waiter->next;
    gw_timer_unset(gw_main_loop(gw), &waiter->timer);
    waiter->done(waiter);
}

static void
on_message(struct gw *gw, union broker_message *msg)
{
    struct gw_instance *inst = NULL;

    if (msg->head.type == BROKER_HELLO) {
        on_hello(gw);
        return;
    }
    if (msg->head.type == BROKER_LOOKED) {
        looked(gw, msg->head.id);
        return;
    }
    HASH_FIND(hh, gw->instances->table, &msg->head.id, sizeof msg->head.id, inst);
    if (inst == NULL)
        return;
    msg->event.text[sizeof msg->event.text - 1] = '\0';
    text_printable(msg->event.text, false);
    on_event(inst, &msg->event);
}

static void
on_broker(uv_poll_t *poll, int status, int events)
{
    struct gw *gw = poll->data;
    gw_locked struct gw *held = gw_lock(gw);
    union broker_message msg;

    if (status < 0) {
        (void)uv_poll_stop(poll);
        return;
    }
    if ((events & UV_WRITABLE) != 0) {
        (void)uv_poll_start(poll, UV_READABLE, on_broker);
        publish_all(gw, true);
    }
    for (int i = 0; i < 64; i++) {
        unsigned none = 0;
        bool all;
        ssize_t got = fd_receive(broker.fd, &msg, sizeof msg, NULL, &none, &all, MSG_DONTWAIT);

        if (got <= 0)
            break;
        if (broker_is(&msg, (size_t)got, BROKER_HELLO, BROKER_LOOKED))
            on_message(gw, &msg);
    }
}

int
gw_network_open(struct gw *gw, int fd)
{
    int status = uv_poll_init(gw_main_loop(gw)->uv, &broker.poll, fd);

    if (status < 0)
        return status;
    broker.fd = fd;
    broker.poll.data = gw;
    uv_unref((uv_handle_t *)&broker.poll);
    return uv_poll_start(&broker.poll, UV_READABLE, on_broker);
}

/* ---- a look ---- */

static void
on_look_too_slow(struct gw_timer *timer)
{
    struct gw_network_waiter *waiter = container_of(timer, struct gw_network_waiter, timer);
    gw_locked struct gw *held = gw_lock(waiter->gw);

    looked(waiter->gw, waiter->number);
}

unsigned
gw_network_count(const struct gw_function *f)
{
    unsigned count = 0;

    for (const struct gw_instance *inst = f->instances; inst != NULL; inst = inst->next)
        for (const struct gw_connection *c = inst->connections; c != NULL; c = c->next)
            count += !c->stale;
    return count;
}

bool
gw_network_look(struct gw *gw, const struct gw_function *f, struct gw_network_waiter *waiter)
{
    if (gw_network_count(f) == 0)
        return false;
    for (const struct gw_instance *inst = f->instances; inst != NULL; inst = inst->next)
        if (inst->connections != NULL)
            (void)send_head(BROKER_LOOK, inst->id);
    waiter->gw = gw;
    waiter->number = LOOK_BIT | ++broker.looks;
    waiter->next = broker.waiters;
    broker.waiters = waiter;
    gw_timer_set(gw_main_loop(gw), &waiter->timer, LOOK_MS, on_look_too_slow);
    (void)send_head(BROKER_LOOK, waiter->number);
    return true;
}
