/* links.c: the instances, and the questions of their workers: one at a time of each, so that none
 * that asks without end holds up the others. */
#include "broker/private.h"

#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utlist.h>

#include "cleanup.h"
#include "container.h"
#include "fd_passing.h"

/* A name that a function looks up. */
struct lookup {
    struct question question;
    int fd; /* for the answer */
};

static void
let_go(struct instance *inst)
{
    if (--inst->refs == 0)
        free(inst);
}

bool
links_wait(struct instance *inst, struct question *q)
{
    if (inst->asked == QUESTIONS_MOST)
        return false;
    inst->asked++;
    q->instance = inst;
    DL_APPEND(inst->questions, q);
    return true;
}

void
links_answered(struct question *q)
{
    if (q->instance == NULL)
        return;
    q->instance->asked--;
    DL_DELETE(q->instance->questions, q);
    q->instance = NULL;
}

struct instance *
links_instance(struct broker *b, uint64_t id)
{
    struct instance *inst = NULL;

    HASH_FIND(hh, b->instances, &id, sizeof id, inst);
    if (inst != NULL)
        return inst;
    inst = calloc(1, sizeof *inst);
    if (inst == NULL)
        return NULL;
    inst->id = id;
    inst->fd = -1;
    inst->refs = 1;
    HASH_ADD(hh, b->instances, id, sizeof inst->id, inst);
    return inst;
}

void
links_answer(struct instance *inst, int status, int fd)
{
    const struct broker_reply reply = {.status = status};
    const struct broker_reply none = {.status = -ENFILE};

    if (inst->fd >= 0 && fd_send(inst->fd, &reply, sizeof reply, &fd, fd >= 0, MSG_DONTWAIT) < 0 &&
        fd >= 0)
        (void)fd_send(inst->fd, &none, sizeof none, NULL, 0, MSG_DONTWAIT);
}

static void
on_closed(uv_handle_t *handle)
{
    struct instance *inst = handle->data;

    (void)close(inst->fd);
    inst->fd = -1;
    let_go(inst);
}

/* For good. */
static void
stop_listening(struct instance *inst)
{
    if (inst->polled) {
        inst->refs++;
        uv_close((uv_handle_t *)&inst->poll, on_closed);
    }
    inst->polled = false;
    inst->deaf = true;
}

static void
end(struct broker *b, struct instance *inst)
{
    if (inst->ended)
        return;
    inst->ended = true;
    while (inst->questions != NULL) {
        struct question *q = inst->questions;

        q->cancel(q);
        links_answered(q);
    }
    report_refusals_left(b, inst);
    while (inst->connections != NULL) {
        if (inst->connections->opened)
            report_connection(b, inst->connections, BROKER_CLOSED, 0, 0, 0);
        table_remove(b, inst->connections);
    }
    HASH_DEL(b->instances, inst);
    if (!inst->polled && !inst->deaf && inst->fd >= 0) {
        (void)close(inst->fd);
        inst->fd = -1;
    }
    stop_listening(inst);
    let_go(inst);
}

/* The worker has ended, or has shut its socket down and keeps its connections: they stay known
 * until they are closed, or the gateway says that it has ended. */
static void
hung_up(struct broker *b, struct instance *inst)
{
    stop_listening(inst);
    table_prune(b, inst);
    if (inst->count == 0)
        end(b, inst);
}

void
links_end_deaf(struct broker *b)
{
    struct instance *next;

    for (struct instance *i = b->instances; i != NULL; i = next) {
        next = i->hh.next;
        if (i->deaf && i->count == 0)
            end(b, i);
    }
}

void
links_end_all(struct broker *b)
{
    while (b->instances != NULL)
        end(b, b->instances);
}

/* ---- names ---- */

static void
answer_addresses(int fd, int status, const struct names_answer *found)
{
    struct broker_addresses answer = {.status = status};

    if (found != NULL) {
        answer.count = found->count;
        memcpy(answer.list, found->list, sizeof answer.list);
    }
    (void)send(fd, &answer, sizeof answer, MSG_DONTWAIT | MSG_NOSIGNAL);
    (void)close(fd);
}

static void
on_name(void *user, const struct names_answer *found)
{
    struct lookup *l = user;

    if (l->fd >= 0)
        answer_addresses(l->fd, found->status, found);
    links_answered(&l->question);
    free(l);
}

static void
cancel(struct question *q)
{
    struct lookup *l = container_of(q, struct lookup, question);

    (void)close(take_fd(&l->fd));
}

/* Takes over fd, on which the answer is awaited. */
static void
resolve(struct broker *b, struct instance *inst, int fd, const struct broker_resolve *msg)
{
    char host[DESTINATION_HOST];
    size_t n = strnlen(msg->host, sizeof msg->host);
    struct lookup *l;

    if (destination_host(msg->host, n, host) < 0) {
        answer_addresses(fd, EAI_NONAME, NULL);
        return;
    }
    if (!rules_list_has_name(inst->policy.list, host)) {
        report_refusal(b, inst, BROKER_REFUSED, EACCES, host);
        answer_addresses(fd, EAI_SYSTEM, NULL);
        return;
    }
    l = calloc(1, sizeof *l);
    if (l == NULL || !links_wait(inst, &l->question)) {
        answer_addresses(fd, EAI_AGAIN, NULL);
        free(l);
        return;
    }
    l->question.cancel = cancel;
    l->fd = fd;
    names_find(b, host, on_name, l);
}

/* ---- questions ---- */

static void
on_question(uv_poll_t *poll, int status, int events)
{
    struct instance *inst = poll->data;
    struct broker *b = poll->loop->data;
    union broker_message msg;
    int fd = -1;
    unsigned n = 1;
    bool all = true;
    ssize_t got;

    (void)events;
    got = status < 0 ? 0 : fd_receive(inst->fd, &msg, sizeof msg, &fd, &n, &all, MSG_DONTWAIT);
    if (got == -EAGAIN || got == -EMFILE)
        return;
    if (got <= 0 || !inst->known) {
        if (fd >= 0)
            (void)close(fd);
        hung_up(b, inst);
        return;
    }
    if (!all || !broker_is(&msg, (size_t)got, BROKER_SOCKET, BROKER_RESOLVE) ||
        (n == 1) != (msg.head.type != BROKER_SOCKET)) {
        if (n == 1)
            (void)close(fd);
        links_answer(inst, -EINVAL, -1);
    } else if (msg.head.type == BROKER_SOCKET) {
        connect_socket(b, inst, &msg.socket);
    } else if (msg.head.type == BROKER_CONNECT) {
        connect_ask(b, inst, fd, &msg.connect);
    } else {
        resolve(b, inst, fd, &msg.resolve);
    }
}

/* Questions are taken once the policy is here. That its worker ends is noticed before, too: the
 * gateway may have forgotten it. */
static void
listen_to(struct broker *b, struct instance *inst)
{
    if (inst->deaf || inst->fd < 0)
        return;
    if (!inst->polled && uv_poll_init(&b->loop, &inst->poll, inst->fd) != 0)
        return;
    inst->polled = true;
    inst->poll.data = inst;
    (void)uv_poll_start(&inst->poll, (inst->known ? UV_READABLE : 0) | UV_DISCONNECT, on_question);
}

void
links_attach(struct broker *b, uint64_t id, int fd)
{
    struct instance *inst = links_instance(b, id);

    if (inst == NULL || inst->fd >= 0 || inst->deaf) {
        (void)close(fd);
        return;
    }
    inst->fd = fd;
    /* the least that there is: answers that are not taken hold descriptors in the broker's name */
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &(int){0}, sizeof(int));
    listen_to(b, inst);
}

void
links_on_gateway(struct broker *b, const union broker_message *msg)
{
    struct instance *inst = NULL;

    switch (msg->head.type) {
    case BROKER_POLICY:
        inst = links_instance(b, msg->head.id);
        if (inst == NULL || memchr(msg->policy.list, '\0', sizeof msg->policy.list) == NULL)
            return;
        inst->policy = msg->policy;
        inst->known = true;
        listen_to(b, inst);
        break;
    case BROKER_FORGET:
    case BROKER_LOOK:
        HASH_FIND(hh, b->instances, &msg->head.id, sizeof msg->head.id, inst);
        if (inst != NULL && msg->head.type == BROKER_LOOK)
            table_look(b, inst);
        else if (inst != NULL)
            end(b, inst);
        if (msg->head.type == BROKER_LOOK)
            report_head(b, BROKER_LOOKED, msg->head.id);
        break;
    default:
        break;
    }
}
