/* connect.c: makes sockets and connects them. A socket belongs to the host's network namespace from
 * its birth. Before it is connected a function can do nothing with it: its filter has no call that
 * gives it an address. The address that counts is the copy in the message. */
#include "broker/private.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
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

#define PRUNE_MS 100 /* all instances, at most that often */

/* A question that waits for names. */
struct pending {
    struct broker *broker;
    struct instance *instance;
    int fd;
    struct broker_connect question;
    struct in6_addr address;
    uint16_t port;
    unsigned next; /* of the list */
    char host[DESTINATION_HOST];
    bool unknown; /* a name could not be looked up */
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
    static const struct itimerval often = {.it_interval.tv_usec = 10000, .it_value.tv_usec = 10000};
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

static void step(struct pending *p);

static void
finish(struct pending *p)
{
    p->instance->questions--;
    links_let_go(p->instance);
    free(p);
}

static void
on_name(void *user, const struct names_answer *found)
{
    struct pending *p = user;

    if (found->status == EAI_AGAIN)
        p->unknown = true;
    for (unsigned i = 0; i < found->count; i++) {
        struct destination d = {.kind = DESTINATION_NAME, .port = p->port};
        char text[DESTINATION_TEXT];

        if (memcmp(&found->list[i], &p->address, sizeof p->address) != 0)
            continue;
        memcpy(d.host, p->host, sizeof d.host);
        destination_format(&d, text);
        if (p->instance->ended)
            (void)close(p->fd);
        else
            allow_internet(p->broker, p->instance, p->fd, &p->question, text);
        finish(p);
        return;
    }
    step(p);
}

/* The next name of the list with this port. */
static void
step(struct pending *p)
{
    struct destination d;
    char text[DESTINATION_TEXT];

    while (destination_nth(p->instance->policy.list, p->next, &d)) {
        p->next++;
        if (d.kind != DESTINATION_NAME || d.port != p->port)
            continue;
        memcpy(p->host, d.host, sizeof p->host);
        names_find(p->broker, p->host, on_name, p);
        return;
    }
    format(&p->address, p->port, text);
    if (p->instance->ended) {
        (void)close(p->fd);
    } else if (p->unknown) { /* it may be listed: nobody knows now */
        answer(p->instance, p->fd, -EHOSTUNREACH);
    } else {
        refuse(p->broker, p->instance, p->fd, EACCES, text);
    }
    finish(p);
}

static void
ask_internet(struct broker *b, struct instance *inst, int fd, const struct broker_connect *question)
{
    struct pending *p;
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
    p = inst->questions < QUESTIONS_MOST ? calloc(1, sizeof *p) : NULL;
    if (p == NULL) {
        answer(inst, fd, -EAGAIN);
        return;
    }
    *p = (struct pending){.broker = b,
                          .instance = inst,
                          .fd = fd,
                          .question = *question,
                          .address = address,
                          .port = port};
    inst->questions++;
    links_hold(inst);
    step(p);
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
