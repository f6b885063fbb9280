/* network.c: see network.h. All threads share one socket to the broker. A lock keeps question and
 * answer together. The broker answers at once, unless it has to look up a name first. A connection
 * is waited for by poll, and a name that the function looks up on a socket of its own.
 *
 * Nothing here keeps a function in: it could ask the broker by itself, and gets the same answers.
 */
#include "network.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <netdb.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "broker_protocol.h"
#include "clock.h"
#include "fd_passing.h"
#include "filter.h"
#include "hearth.h"
#include "inherit.h"

#define INIT_MS   8000 /* outside a call; the gateway waits 10 s for an instance */
#define RETRY_MS  5    /* a unix socket whose queue of connections is full */
#define LEFT_MOST 3600000

static const struct sbx_filter_file *const file = (const struct sbx_filter_file *)SBX_FILTER_AT;
static const struct hearth_call *running;
static _Atomic uint32_t locked; /* 2: somebody waits */
static bool broken;             /* an answer did not come */

void
wrk_network_set_broker(bool there)
{
    broken = !there;
}

void
wrk_network_watch(const struct hearth_call *call)
{
    running = call;
}

static void
lock(void)
{
    uint32_t was = 0;

    if (atomic_compare_exchange_strong(&locked, &was, 1))
        return;
    while (atomic_exchange(&locked, 2) != 0)
        (void)syscall(SYS_futex, &locked, FUTEX_WAIT_PRIVATE, 2, NULL, NULL, 0);
}

static void
unlock(void)
{
    if (atomic_exchange(&locked, 0) == 2)
        (void)syscall(SYS_futex, &locked, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

/* Seven eighths of what the call has left, so that it can still say what went wrong. */
static uint32_t
left_ms(void)
{
    int64_t left = INIT_MS;

    if (running != NULL && running->request.deadline_ns != 0)
        left = ((int64_t)running->request.deadline_ns - clock_ns()) / 1000000;
    left -= left / 8;
    return left < 1 ? 1 : left > LEFT_MOST ? LEFT_MOST : (uint32_t)left;
}

/* Not recvmsg, which the filter for running forbids. */
static long
receive_reply(int *fd)
{
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))];
    struct broker_reply reply = {.status = -ENETDOWN};
    struct iovec iov = {.iov_base = &reply, .iov_len = sizeof reply};
    struct mmsghdr hdr = {.msg_hdr = {.msg_iov = &iov,
                                      .msg_iovlen = 1,
                                      .msg_control = control,
                                      .msg_controllen = sizeof control}};
    const struct cmsghdr *c;
    int got;

    /* a broker that ends does not answer what it has read. An answer that comes too late would be
     * taken for the next one's: then there are no more questions */
    if (poll(&(struct pollfd){.fd = INHERIT_WORKER_BROKER, .events = POLLIN}, 1, (int)left_ms()) !=
        1) {
        broken = true;
        return -ENETDOWN;
    }
    got = recvmmsg(INHERIT_WORKER_BROKER, &hdr, 1, MSG_CMSG_CLOEXEC, NULL);
    if (got != 1 || hdr.msg_len != sizeof reply)
        return -ENETDOWN;
    c = CMSG_FIRSTHDR(&hdr.msg_hdr);
    if (c != NULL && c->cmsg_type == SCM_RIGHTS && fd != NULL)
        memcpy(fd, CMSG_DATA(c), sizeof *fd);
    else if (reply.status == 0 && fd != NULL)
        return -EMFILE; /* this process has no number for it */
    return reply.status;
}

static long
ask(const void *question, size_t n, const int *with, int *fd)
{
    long status;

    lock();
    status =
        broken ? -ENETDOWN : fd_send(INHERIT_WORKER_BROKER, question, n, with, with != NULL, 0);
    if (status == 0)
        status = receive_reply(fd);
    else if (status == -EPIPE || status == -ECONNRESET || status == -ENOTCONN)
        status = -ENETDOWN;
    unlock();
    return status;
}

long
wrk_network_socket(int domain, int type, int protocol)
{
    struct broker_socket question = {.head = BROKER_HEAD(BROKER_SOCKET, question, 0),
                                     .domain = domain,
                                     .type = type,
                                     .protocol = protocol};
    int fd = -1;
    long status = ask(&question, sizeof question, NULL, &fd);

    if (status < 0)
        return status;
    if ((type & SOCK_CLOEXEC) == 0)
        (void)fcntl(fd, F_SETFD, 0);
    return fd;
}

/* The connection of a blocking socket, within its time limit and that of the call. */
static long
wait_connected(int fd, uint32_t most_ms)
{
    struct timeval limit = {0};
    socklen_t n = sizeof limit;
    int error = 0, left = (int)most_ms;
    bool own = getsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, &n) == 0 &&
               (limit.tv_sec != 0 || limit.tv_usec != 0);

    if (own && limit.tv_sec < left / 1000)
        left = (int)(limit.tv_sec * 1000 + limit.tv_usec / 1000);
    else
        own = false;
    if (poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, left) == 0)
        return own ? -EINPROGRESS : -ETIMEDOUT;
    n = sizeof error;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &n) != 0)
        return -errno;
    return -error;
}

long
wrk_network_connect(int fd, const struct sockaddr_storage *address, socklen_t n)
{
    struct broker_connect question = {.head = BROKER_HEAD(BROKER_CONNECT, question, 0),
                                      .left_ms = left_ms(),
                                      .address_bytes = n,
                                      .address = *address};
    int flags = fcntl(fd, F_GETFL);
    uint32_t most_ms = question.left_ms;
    int64_t end_ns = clock_ns() + (int64_t)question.left_ms * 1000000;
    long status;

    if (flags < 0)
        return -EBADF;
    if (fd == INHERIT_WORKER_BROKER)
        return -EISCONN;
    if ((flags & O_NONBLOCK) == 0) /* this side gives up first, and says why */
        question.left_ms += question.left_ms / 14;
    for (;;) {
        status = ask(&question, sizeof question, &fd, NULL);
        if ((flags & O_NONBLOCK) != 0)
            return status;
        if (status == -EINPROGRESS)
            return wait_connected(fd, most_ms);
        if (status != -EAGAIN || clock_ns() >= end_ns)
            return status;
        (void)poll(NULL, 0, RETRY_MS);
    }
}

/* ---- names ---- */

/* This function takes the place of the C library's for all that an instance loads. */
__attribute__((visibility("default"))) int getaddrinfo(const char *restrict node,
                                                       const char *restrict service,
                                                       const struct addrinfo *restrict hints,
                                                       struct addrinfo **restrict result);

typedef int getaddrinfo_fn(const char *, const char *, const struct addrinfo *, struct addrinfo **);

static getaddrinfo_fn *
library_getaddrinfo(void)
{
    static getaddrinfo_fn *found;

    if (found == NULL)
        found = (getaddrinfo_fn *)dlsym(RTLD_NEXT, "getaddrinfo");
    return found;
}

static int
say_no_network(const char *node, const char *service)
{
    (void)hearth_log(
        NULL, HEARTH_WARNING,
        "%s%s%s was looked up, and this function has no network: setting network lists "
        "what it may connect to, as HOST:PORT",
        node, service != NULL ? ":" : "", service != NULL ? service : "");
    errno = EACCES;
    return EAI_SYSTEM;
}

static int
ask_addresses(const char *node, struct broker_addresses *answer)
{
    struct broker_resolve question = {.head = BROKER_HEAD(BROKER_RESOLVE, question, 0)};
    int pair[2], status;
    ssize_t got = -1;

    if (strlen(node) >= sizeof question.host)
        return EAI_NONAME;
    memcpy(question.host, node, strlen(node) + 1);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
        return EAI_SYSTEM;
    status = fd_send(INHERIT_WORKER_BROKER, &question, sizeof question, &pair[1], 1, 0);
    (void)close(pair[1]);
    if (status == 0 &&
        poll(&(struct pollfd){.fd = pair[0], .events = POLLIN}, 1, (int)left_ms()) == 1)
        got = recv(pair[0], answer, sizeof *answer, MSG_WAITALL);
    (void)close(pair[0]);
    if (got != (ssize_t)sizeof *answer || answer->count > BROKER_ADDRESSES)
        return EAI_AGAIN;
    if (answer->status == EAI_SYSTEM)
        errno = EACCES;
    return answer->status;
}

/* Appends what the C library makes of one address. */
static int
append(const struct in6_addr *address, const char *service, const struct addrinfo *hints,
       struct addrinfo **end[])
{
    struct addrinfo wanted = *hints;
    char text[INET6_ADDRSTRLEN];
    bool v4 = IN6_IS_ADDR_V4MAPPED(address);
    int status;

    if (hints->ai_family != AF_UNSPEC && hints->ai_family != (v4 ? AF_INET : AF_INET6))
        return 0;
    (void)inet_ntop(v4 ? AF_INET : AF_INET6, address->s6_addr + (v4 ? 12 : 0), text, sizeof text);
    wanted.ai_flags =
        (hints->ai_flags & ~(AI_ADDRCONFIG | AI_CANONNAME | AI_V4MAPPED | AI_ALL)) | AI_NUMERICHOST;
    status = library_getaddrinfo()(text, service, &wanted, *end);
    while (status == 0 && **end != NULL)
        *end = &(**end)->ai_next;
    return status;
}

/* The list of the C library, which its freeaddrinfo frees node by node. */
static int
look_up(const char *node, const char *service, const struct addrinfo *hints,
        struct addrinfo **result)
{
    struct broker_addresses answer = {.count = 0};
    struct addrinfo *list = NULL, **end = &list;
    int status = ask_addresses(node, &answer);

    for (uint32_t i = 0; i < answer.count && status == 0; i++)
        status = append(&answer.list[i], service, hints, &end);
    if (status == 0 && list == NULL)
        status = EAI_NONAME;
    if (status == 0 && (hints->ai_flags & AI_CANONNAME) != 0) {
        list->ai_canonname = strdup(node);
        if (list->ai_canonname == NULL)
            status = EAI_MEMORY;
    }
    if (status != 0) {
        if (list != NULL)
            freeaddrinfo(list);
        return status;
    }
    *result = list;
    return 0;
}

int
getaddrinfo(const char *restrict node, const char *restrict service,
            const struct addrinfo *restrict hints, struct addrinfo **restrict result)
{
    static const struct addrinfo none = {.ai_family = AF_UNSPEC};
    struct addrinfo numeric = hints != NULL ? *hints : none;
    int status;

    if (library_getaddrinfo() == NULL)
        return EAI_FAIL;
    numeric.ai_flags = (numeric.ai_flags & ~AI_ADDRCONFIG) | AI_NUMERICHOST;
    if (node == NULL || (hints != NULL && (hints->ai_flags & AI_NUMERICHOST) != 0))
        return library_getaddrinfo()(node, service, hints != NULL ? hints : &none, result);
    status = library_getaddrinfo()(node, service, &numeric, result);
    if (status != EAI_NONAME)
        return status;
    if (file->network == 0)
        return say_no_network(node, service);
    return look_up(node, service, hints != NULL ? hints : &none, result);
}
