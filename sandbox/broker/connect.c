/* connect.c: makes sockets and connects them. A socket belongs to the host's network namespace from
 * its birth. Before it is connected a function can do nothing with it: its filter has no call that
 * gives it an address. The address that counts is the copy in the message. */
#include "broker/private.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <netdb.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "cleanup.h"
#include "container.h"

#define PRUNE_MS 100 /* all instances, at most that often */

/* A connection that waits for names: all that are listed with its port. */
struct pending {
    struct question question;
    struct broker *broker;
    int fd; /* -1: answered; the rest of the names is still waited for */
    struct broker_connect connect;
    struct in6_addr address;
    uint16_t port;
    unsigned asked; /* names that are not answered */
    bool asking;    /* not all are asked for yet */
    bool unknown;   /* one could not be looked up */
    uv_timer_t timer;
};

static bool
is_full(struct broker *b, struct instance *inst, const char *text, int *error)
{
    *error = EMFILE;
    if (inst->count >= inst->policy.connections) {
        table_prune(b, inst);
        if (inst->count < inst->policy.connections)
            return false;
    } else if (b->connections >= b->connections_most) {
        if (uv_now(&b->loop) >= b->pruned_ms + PRUNE_MS)
            for (struct instance *i = b->instances; i != NULL; i = i->hh.next)
                table_prune(b, i);
        b->pruned_ms = uv_now(&b->loop);
        if (b->connections < b->connections_most)
            return false;
        *error = ENFILE;
    } else {
        return false;
    }
    report_refusal(b, inst, BROKER_LIMITED, *error, text);
    return true;
}

void
connect_socket(struct broker *b, struct instance *inst, const struct broker_socket *question)
{
    int type = question->type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC);
    bool internet = question->domain == AF_INET || question->domain == AF_INET6;
    cleanup_close int fd = -1;
    int error;

    if (type == SOCK_RAW || question->domain == AF_PACKET) {
        report_refusal(b, inst, BROKER_REFUSED, EACCES, "a raw socket");
        links_answer(inst, -EACCES, -1);
        return;
    }
    if (!internet && question->domain != AF_UNIX) {
        links_answer(inst, -EAFNOSUPPORT, -1);
        return;
    }
    /* datagrams: libcurl makes such a socket to learn whether there is IPv6. Nothing can be sent
     * or received with it */
    if ((type != SOCK_STREAM && !(internet && type == SOCK_DGRAM)) ||
        (question->protocol != 0 &&
         question->protocol != (type == SOCK_STREAM ? IPPROTO_TCP : IPPROTO_UDP))) {
        links_answer(inst, -EPROTONOSUPPORT, -1);
        return;
    }
    if (type == SOCK_STREAM && is_full(b, inst, "a socket", &error)) {
        links_answer(inst, -error, -1);
        return;
    }
    fd = socket(question->domain, question->type | SOCK_CLOEXEC, question->protocol);
    links_answer(inst, fd >= 0 ? 0 : -errno, fd);
}

/* Without waiting, whatever the socket is set to. The function may set it to wait again at any
 * moment: then a timer ends the wait, again and again, since the first signal may come before it.
 * 0, or a negative errno. */
static int
connect_at_once(int fd, const struct sockaddr *address, socklen_t n)
{
    static const struct itimerval often = {.it_interval.tv_usec = 1000, .it_value.tv_usec = 1000};
    static const struct itimerval never = {.it_value.tv_usec = 0};
    int flags = fcntl(fd, F_GETFL), status;

    if (flags < 0)
        return -errno;
    if ((flags & O_NONBLOCK) == 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0)
        return -errno;
    (void)setitimer(ITIMER_REAL, &often, NULL);
    status = connect(fd, address, n) == 0 ? 0 : -errno;
    (void)setitimer(ITIMER_REAL, &never, NULL);
    if (status == -EINTR)
        status = address->sa_family == AF_UNIX ? -EAGAIN : -EINPROGRESS;
    if ((flags & O_NONBLOCK) == 0)
        (void)fcntl(fd, F_SETFL, flags);
    return status;
}

/* Keeps what connect gave. left_ms: of one that is on its way. Takes over fd. */
static void
record(struct broker *b, struct instance *inst, int fd, const char *text, uint32_t left_ms,
       int status)
{
    struct connection *c;
    struct stat st;

    if (status == -EALREADY || status == -EISCONN || fstat(fd, &st) != 0) {
        (void)close(fd);
        return;
    }
    c = table_find(inst, st.st_ino);              /* the same socket, used again */
    if (c != NULL && !c->opened && status == 0) { /* it is where it was to go first */
        table_settled(b, c, fd);
        (void)close(fd);
        return;
    }
    if (c != NULL) {
        if (c->opened)
            report_connection(b, c, BROKER_CLOSED, 0, 0, 0);
        table_remove(b, c);
    }
    c = table_add(b, inst, fd, text);
    if (c == NULL) {
        (void)close(fd);
        return;
    }
    if (status == -EINPROGRESS) {
        table_await(b, c, fd, left_ms);
        return;
    }
    if (status < 0)
        table_failed(b, c, -status);
    else
        table_settled(b, c, fd);
    (void)close(fd);
}

/* The answer to a question with a socket, which is not needed any more. */
static void
answer(struct instance *inst, int fd, int status)
{
    links_answer(inst, status, -1);
    (void)close(fd);
}

/* What the rules allow: connects, unless too much is open. left_ms: see record. Takes over fd. */
static void
allow(struct broker *b, struct instance *inst, int fd, const struct sockaddr *address, socklen_t n,
      const char *text, uint32_t left_ms)
{
    int error, status;

    if (is_full(b, inst, text, &error)) {
        answer(inst, fd, -error);
        return;
    }
    status = connect_at_once(fd, address, n);
    if (status == -EAGAIN && address->sa_family == AF_UNIX) { /* a full queue: it asks again */
        answer(inst, fd, status);
        return;
    }
    record(b, inst, fd, text, left_ms, status); /* before its worker goes on */
    links_answer(inst, status, -1);
}

static void
refuse(struct broker *b, struct instance *inst, int fd, int error, const char *text)
{
    report_refusal(b, inst, BROKER_REFUSED, error, text);
    answer(inst, fd, -EACCES);
}

/* ---- internet ---- */

/* Whether it is an address of this host: a socket can have it. */
static bool
is_local(const struct sockaddr_storage *sa, socklen_t n)
{
    struct sockaddr_storage here = *sa;
    cleanup_close int fd = socket(sa->ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (sa->ss_family == AF_INET)
        ((struct sockaddr_in *)(void *)&here)->sin_port = 0;
    else
        ((struct sockaddr_in6 *)(void *)&here)->sin6_port = 0;
    return fd < 0 || bind(fd, (const struct sockaddr *)&here, n) == 0;
}

static bool
is_forbidden(const struct broker *b, const struct broker_connect *question,
             const struct in6_addr *address, uint16_t port)
{
    enum rules_own own = rules_own(b, address, port);

    if (!b->allow_metadata && rules_is_metadata(address))
        return true;
    if (b->allow_own || own == RULES_NOT_OWN)
        return false;
    return own == RULES_OWN || is_local(&question->address, question->address_bytes);
}

static void
format(const struct in6_addr *address, uint16_t port, char text[DESTINATION_TEXT])
{
    const struct destination d = {.kind = DESTINATION_ADDRESS, .port = port, .address = *address};

    destination_format(&d, text);
}

static void
allow_internet(struct broker *b, struct instance *inst, int fd,
               const struct broker_connect *question, const char *text)
{
    allow(b, inst, fd, (const struct sockaddr *)&question->address,
          (socklen_t)question->address_bytes, text, question->left_ms);
}

static void
on_closed(uv_handle_t *timer)
{
    free(timer->data);
}

static void
drop(struct pending *p)
{
    links_answered(&p->question);
    uv_close((uv_handle_t *)&p->timer, on_closed);
}

/* Answers, if nothing more will come. */
static void
settle(struct pending *p)
{
    char text[DESTINATION_TEXT];

    if (p->asking || p->asked > 0)
        return;
    if (p->fd >= 0 && p->unknown) { /* it may be listed: nobody knows now */
        answer(p->question.instance, p->fd, -EHOSTUNREACH);
    } else if (p->fd >= 0) {
        format(&p->address, p->port, text);
        refuse(p->broker, p->question.instance, p->fd, EACCES, text);
    }
    drop(p);
}

static bool
has_address(const struct names_answer *found, const struct in6_addr *address)
{
    for (unsigned i = 0; i < found->count; i++)
        if (memcmp(&found->list[i], address, sizeof *address) == 0)
            return true;
    return false;
}

static void
format_name(const char *host, uint16_t port, char text[DESTINATION_TEXT])
{
    struct destination d = {.kind = DESTINATION_NAME, .port = port};

    memcpy(d.host, host, strnlen(host, sizeof d.host - 1));
    destination_format(&d, text);
}

/* The listed name with this port of which it is known that it has the address now. */
static bool
find_known(struct broker *b, const char *list, const struct in6_addr *address, uint16_t port,
           char text[DESTINATION_TEXT])
{
    struct destination d;

    while (destination_next(&list, &d)) {
        const struct names_answer *known =
            d.kind == DESTINATION_NAME && d.port == port ? names_known(b, d.host) : NULL;

        if (known != NULL && has_address(known, address)) {
            format_name(d.host, port, text);
            return true;
        }
    }
    return false;
}

static void
on_name(void *user, const struct names_answer *found)
{
    struct pending *p = user;
    char text[DESTINATION_TEXT];

    p->asked--;
    p->unknown = p->unknown || found->status == EAI_AGAIN;
    /* the list of now: it may have changed */
    if (p->fd >= 0 && has_address(found, &p->address) &&
        find_known(p->broker, p->question.instance->policy.list, &p->address, p->port, text)) {
        allow_internet(p->broker, p->question.instance, take_fd(&p->fd), &p->connect, text);
    }
    settle(p);
}

static void
on_no_time(uv_timer_t *timer)
{
    struct pending *p = timer->data;

    if (p->fd >= 0)
        answer(p->question.instance, take_fd(&p->fd), -ETIMEDOUT);
}

static void
cancel(struct question *q)
{
    struct pending *p = container_of(q, struct pending, question);

    if (p->fd >= 0)
        (void)close(take_fd(&p->fd));
}

/* Asks for all listed names with this port at once. Takes over fd. */
static void
ask_names(struct broker *b, struct instance *inst, int fd, const struct broker_connect *connect,
          const struct in6_addr *address, uint16_t port)
{
    struct pending *p = calloc(1, sizeof *p);
    const char *list = inst->policy.list;
    struct destination d;

    if (p == NULL || !links_wait(inst, &p->question)) {
        answer(inst, fd, -EAGAIN);
        free(p);
        return;
    }
    p->question.cancel = cancel;
    p->broker = b;
    p->fd = fd;
    p->connect = *connect;
    p->address = *address;
    p->port = port;
    p->asking = true;
    (void)uv_timer_init(&b->loop, &p->timer);
    p->timer.data = p;
    /* its worker waits for the answer a little longer */
    (void)uv_timer_start(&p->timer, on_no_time, (uint64_t)connect->left_ms * 3 / 4, 0);
    while (p->fd >= 0 && destination_next(&list, &d))
        if (d.kind == DESTINATION_NAME && d.port == port) {
            p->asked++;
            names_find(b, d.host, on_name, p);
        }
    p->asking = false;
    settle(p);
}

static void
ask_internet(struct broker *b, struct instance *inst, int fd, const struct broker_connect *question)
{
    struct in6_addr address;
    char text[DESTINATION_TEXT];
    uint16_t port;

    if (!rules_address((const struct sockaddr *)&question->address, question->address_bytes,
                       &address, &port)) {
        answer(inst, fd, -EAFNOSUPPORT); /* AF_UNSPEC too: a connection stays what it is */
        return;
    }
    format(&address, port, text);
    if (is_forbidden(b, question, &address, port)) {
        refuse(b, inst, fd, EPERM, text);
        return;
    }
    if (rules_list_has_address(inst->policy.list, &address, port)) {
        allow_internet(b, inst, fd, question, text);
        return;
    }
    if (find_known(b, inst->policy.list, &address, port, text)) {
        allow_internet(b, inst, fd, question, text);
        return;
    }
    ask_names(b, inst, fd, question, &address, port);
}

/* ---- unix ---- */

/* Without symbolic links, so that what was named is what is reached. */
static int
open_socket_file(const char *path, int *fd)
{
    struct open_how how = {.flags = O_PATH | O_CLOEXEC,
                           .resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS};
    int opened = (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof how);
    struct stat st;

    if (opened < 0)
        return -errno;
    if (fstat(opened, &st) != 0 || !S_ISSOCK(st.st_mode)) {
        (void)close(opened);
        return -ECONNREFUSED;
    }
    *fd = opened;
    return 0;
}

static bool
is_own_file(const struct broker *b, int file)
{
    struct stat st, own;

    for (unsigned i = 0; i < b->own_count; i++)
        if (b->own[i].path[0] != '\0' && fstat(file, &st) == 0 && stat(b->own[i].path, &own) == 0 &&
            st.st_dev == own.st_dev && st.st_ino == own.st_ino)
            return true;
    return false;
}

static void
ask_unix(struct broker *b, struct instance *inst, int fd, const struct broker_connect *question)
{
    const struct sockaddr_un *un = (const struct sockaddr_un *)(const void *)&question->address;
    size_t head = offsetof(struct sockaddr_un, sun_path);
    size_t room = question->address_bytes > head ? question->address_bytes - head : 0;
    size_t n = strnlen(un->sun_path, room < sizeof un->sun_path ? room : sizeof un->sun_path);
    char path[DESTINATION_PATH], text[DESTINATION_TEXT];
    cleanup_close int file = -1;
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    int status;

    (void)snprintf(text, sizeof text, "unix:%s%.*s", n == 0 ? "@" : "", (int)n, un->sun_path);
    if (n == 0 || destination_path(un->sun_path, n, path) < 0 ||
        !rules_list_has_path(inst->policy.list, path)) {
        refuse(b, inst, fd, EACCES, text);
        return;
    }
    (void)snprintf(text, sizeof text, "unix:%s", path);
    status = open_socket_file(path, &file);
    if (status == -ELOOP || (status == 0 && !b->allow_own && is_own_file(b, file))) {
        refuse(b, inst, fd, status == 0 ? EPERM : ELOOP, text);
        return;
    }
    if (status < 0) {
        record(b, inst, fd, text, question->left_ms, status);
        links_answer(inst, status, -1);
        return;
    }
    (void)snprintf(to.sun_path, sizeof to.sun_path, "/proc/self/fd/%d", file);
    allow(b, inst, fd, (const struct sockaddr *)&to, sizeof to, text, question->left_ms);
}

void
connect_ask(struct broker *b, struct instance *inst, int fd, const struct broker_connect *question)
{
    int domain = 0, type = 0;
    socklen_t n = sizeof(int);

    if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &n) != 0 ||
        getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &n) != 0 ||
        question->address_bytes > sizeof question->address) {
        answer(inst, fd, -ENOTSOCK);
        return;
    }
    if (type != SOCK_STREAM) {
        refuse(b, inst, fd, EACCES, "a datagram socket");
        return;
    }
    if (domain == AF_UNIX && question->address.ss_family == AF_UNIX) {
        ask_unix(b, inst, fd, question);
    } else if (domain == AF_INET || domain == AF_INET6) {
        ask_internet(b, inst, fd, question);
    } else {
        answer(inst, fd, -EAFNOSUPPORT);
    }
}
