/* names.c: names to addresses. c-ares asks the servers of the host (/etc/resolv.conf, /etc/hosts)
 * on the loop, so a server that does not answer holds up nobody but who waits for its answer.
 * Answers are kept for their time to live, within bounds: at least long enough that a function can
 * connect to what it has just looked up, at most so long that a moved server is found again.
 */
#include "broker/private.h"

#include <ares.h>
#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define NAMES       256   /* from which on those that are out of date are freed */
#define NAMES_MOST  16384 /* they all come from lists */
#define LEAST_MS    2000
#define MOST_MS     60000
#define NEGATIVE_MS 1000
#define TRY_MS      2000
#define TRIES       2
#define TICK_MS     250
#define CONFIG_FILE "/etc/resolv.conf"

struct waiter {
    struct waiter *next;
    names_fn *done;
    void *user;
};

struct name {
    UT_hash_handle hh;
    char host[DESTINATION_HOST];
    struct broker *broker;
    struct names_answer answer;
    uint64_t until_ms; /* the answer counts */
    bool asked;        /* it is on its way */
    struct waiter *waiters;
};

struct names {
    struct broker *broker;
    ares_channel channel;
    char *server;           /* not of the host; NULL */
    struct timespec config; /* of CONFIG_FILE, as it was read */
    struct name *table;
    unsigned asked;
    unsigned inside; /* calls of c-ares that run: its channel must not be destroyed */
    uv_timer_t tick;
};

/* A socket of c-ares. */
struct ares_socket {
    uv_poll_t poll;
    ares_socket_t fd;
    struct ares_socket *next;
};
static struct ares_socket *sockets;

static void
on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void
process(struct names *names, ares_socket_t readable, ares_socket_t writable)
{
    names->inside++;
    ares_process_fd(names->channel, readable, writable);
    names->inside--;
}

static void
on_socket(uv_poll_t *poll, int status, int events)
{
    struct ares_socket *s = poll->data;
    struct names *names = ((struct broker *)poll->loop->data)->names;

    if (status < 0)
        events = UV_READABLE | UV_WRITABLE;
    process(names, (events & UV_READABLE) != 0 ? s->fd : ARES_SOCKET_BAD,
            (events & UV_WRITABLE) != 0 ? s->fd : ARES_SOCKET_BAD);
}

/* c-ares closes the descriptor right after it wants neither. */
static void
on_state(void *user, ares_socket_t fd, int readable, int writable)
{
    struct names *names = user;
    struct ares_socket **at = &sockets;
    struct ares_socket *s;

    while (*at != NULL && (*at)->fd != fd)
        at = &(*at)->next;
    s = *at;
    if (!readable && !writable) {
        if (s == NULL)
            return;
        *at = s->next;
        (void)uv_poll_stop(&s->poll);
        uv_close((uv_handle_t *)&s->poll, on_closed);
        return;
    }
    if (s == NULL) {
        s = calloc(1, sizeof *s);
        if (s == NULL || uv_poll_init(&names->broker->loop, &s->poll, fd) != 0) {
            free(s);
            return; /* the question times out */
        }
        s->fd = fd;
        s->poll.data = s;
        s->next = sockets;
        sockets = s;
    }
    (void)uv_poll_start(&s->poll, (readable ? UV_READABLE : 0) | (writable ? UV_WRITABLE : 0),
                        on_socket);
}

static void
note_config(struct names *names)
{
    struct stat st = {0};

    (void)stat(CONFIG_FILE, &st);
    names->config = st.st_mtim;
}

static int
open_channel(struct names *names)
{
    struct ares_options options = {
        .timeout = TRY_MS, .tries = TRIES, .sock_state_cb = on_state, .sock_state_cb_data = names};
    int status = ares_init_options(&names->channel, &options,
                                   ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB);

    if (status == ARES_SUCCESS && names->server != NULL)
        status = ares_set_servers_ports_csv(names->channel, names->server);
    note_config(names);
    return status;
}

static void
on_tick(uv_timer_t *timer)
{
    struct names *names = timer->data;

    process(names, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}

int
names_open(struct broker *b, const char *server, struct hearth_err *err)
{
    struct names *names = calloc(1, sizeof *names);
    int status = ares_library_init(ARES_LIB_INIT_ALL);

    if (names == NULL)
        return err_set(err, ENOMEM, "look up names");
    names->broker = b;
    if (server != NULL && (names->server = strdup(server)) == NULL)
        return err_set(err, ENOMEM, "look up names");
    if (status == ARES_SUCCESS)
        status = open_channel(names);
    if (status != ARES_SUCCESS)
        return err_set(err, EINVAL, "look up names: %s", ares_strerror(status));
    (void)uv_timer_init(&b->loop, &names->tick);
    names->tick.data = names;
    b->names = names;
    return 0;
}

static void
collect(const struct ares_addrinfo *found, struct names_answer *answer, uint64_t *ttl_ms)
{
    *ttl_ms = MOST_MS;
    for (const struct ares_addrinfo_node *n = found->nodes; n != NULL; n = n->ai_next) {
        struct in6_addr address;
        uint16_t port;
        bool known = false;

        if (answer->count == BROKER_ADDRESSES ||
            !rules_address(n->ai_addr, n->ai_addrlen, &address, &port))
            continue;
        for (unsigned i = 0; i < answer->count; i++)
            known = known || memcmp(&answer->list[i], &address, sizeof address) == 0;
        if (!known)
            answer->list[answer->count++] = address;
        if (n->ai_ttl >= 0 && (uint64_t)n->ai_ttl * 1000 < *ttl_ms)
            *ttl_ms = (uint64_t)n->ai_ttl * 1000;
    }
}

static void
on_found(void *user, int status, int timeouts, struct ares_addrinfo *found)
{
    struct name *name = user;
    struct names *names = name->broker->names;
    struct waiter *waiters = name->waiters;
    struct names_answer answer = {.status = EAI_AGAIN};
    uint64_t ttl_ms = NEGATIVE_MS;

    (void)timeouts;
    if (status == ARES_SUCCESS && found != NULL) {
        answer.status = 0;
        collect(found, &answer, &ttl_ms);
        if (ttl_ms < LEAST_MS)
            ttl_ms = LEAST_MS;
    }
    if (status == ARES_ENOTFOUND || status == ARES_ENODATA ||
        (answer.status == 0 && answer.count == 0))
        answer = (struct names_answer){.status = EAI_NONAME};
    if (found != NULL)
        ares_freeaddrinfo(found);
    name->answer = answer;
    name->until_ms = uv_now(&name->broker->loop) + ttl_ms;
    name->asked = false;
    name->waiters = NULL;
    if (--names->asked == 0)
        (void)uv_timer_stop(&names->tick);
    while (waiters != NULL) {
        struct waiter *w = waiters;

        waiters = w->next;
        w->done(w->user, &answer);
        free(w);
    }
}

/* Frees those that are out of date. */
static void
make_room(struct names *names)
{
    struct name *name, *next;

    HASH_ITER (hh, names->table, name, next)
        if (!name->asked && name->until_ms <= uv_now(&names->broker->loop)) {
            HASH_DEL(names->table, name);
            free(name);
        }
}

static struct name *
name_of(struct names *names, const char *host)
{
    struct name *name = NULL;

    HASH_FIND_STR(names->table, host, name);
    if (name != NULL)
        return name;
    if (HASH_COUNT(names->table) >= NAMES)
        make_room(names);
    if (HASH_COUNT(names->table) >= NAMES_MOST)
        return NULL;
    name = calloc(1, sizeof *name);
    if (name == NULL)
        return NULL;
    (void)strncpy(name->host, host, sizeof name->host - 1);
    name->broker = names->broker;
    HASH_ADD_STR(names->table, host, name);
    return name;
}

static void
begin(struct names *names, struct name *name)
{
    static const struct ares_addrinfo_hints hints = {.ai_family = AF_UNSPEC,
                                                     .ai_socktype = SOCK_STREAM};
    struct stat st = {0};

    if (names->asked == 0 && names->inside == 0 && stat(CONFIG_FILE, &st) == 0 &&
        memcmp(&st.st_mtim, &names->config, sizeof st.st_mtim) != 0) {
        ares_channel before = names->channel;

        if (open_channel(names) == ARES_SUCCESS)
            ares_destroy(before);
        else
            names->channel = before;
    }
    name->asked = true;
    if (names->asked++ == 0)
        (void)uv_timer_start(&names->tick, on_tick, TICK_MS, TICK_MS);
    names->inside++;
    ares_getaddrinfo(names->channel, name->host, NULL, &hints, on_found, name);
    names->inside--;
}

const struct names_answer *
names_known(struct broker *b, const char *host)
{
    const struct name *name = NULL;

    HASH_FIND_STR(b->names->table, host, name);
    return name != NULL && !name->asked && uv_now(&b->loop) < name->until_ms ? &name->answer : NULL;
}

void
names_find(struct broker *b, const char *host, names_fn *done, void *user)
{
    static const struct names_answer busy = {.status = EAI_AGAIN};
    struct names *names = b->names;
    const struct names_answer *known = names_known(b, host);
    struct name *name;
    struct waiter *w;

    if (known != NULL) {
        struct names_answer answer = *known;

        done(user, &answer);
        return;
    }
    name = name_of(names, host);
    w = name != NULL ? calloc(1, sizeof *w) : NULL;
    if (w == NULL) {
        done(user, &busy);
        return;
    }
    w->done = done;
    w->user = user;
    w->next = name->waiters;
    name->waiters = w;
    if (!name->asked)
        begin(names, name);
}
