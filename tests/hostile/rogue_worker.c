/* rogue_worker.c: replaces hearth-worker. It installs the same isolation, so that the launcher
 * accepts it, and otherwise violates the protocol: the function's env says how (LIE=name,
 * SEED=number).
 *
 * LIE=honest serves calls correctly: the neighbours in the same daemon are rogues of this kind.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "inherit.h"
#include "isolation.h"
#include "limits.h"
#include "network.h"
#include "template.h"

/* worker/refusals.c calls them for a function with destinations, which this one has not. */
long
wrk_network_socket(int domain, int type, int protocol)
{
    (void)domain;
    (void)type;
    (void)protocol;
    return -EACCES;
}

bool
wrk_template_is_forking(void)
{
    return false;
}

long
wrk_template_clone(void *child_tid)
{
    (void)child_tid;
    return -EAGAIN;
}

long
wrk_network_connect(int fd, const struct sockaddr_storage *address, socklen_t n)
{
    (void)fd;
    (void)address;
    (void)n;
    return -EACCES;
}

#define RING ((uint64_t)LIMIT_RING)

static struct chan chan;
static uint64_t seed = 1;
static char lie[32] = "honest";
static char forged[256]; /* fields as "Name:value", separated by '|' */

static uint64_t
rnd(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static void
ring_all(void)
{
    uint64_t one = 1;

    for (int fd = INHERIT_WORKER_BELLS; fd < INHERIT_WORKER_BELLS + LIMIT_THREADS; fd++)
        if (write(fd, &one, sizeof one) != (ssize_t)sizeof one)
            return;
}

static void
ring_as_one_should(void)
{
    uint64_t one = 1;
    uint32_t bell = chan_gateway_wants_bell(&chan);

    if (bell > 0 && bell <= LIMIT_THREADS)
        (void)!write(INHERIT_WORKER_BELLS + (int)bell - 1, &one, sizeof one);
}

static void
nap(long us)
{
    struct timespec t = {.tv_nsec = us * 1000};

    (void)nanosleep(&t, NULL);
}

/* ---- frames ---- */

static void
put(enum frame_type type, unsigned flags, uint64_t serial, const void *bytes, size_t n)
{
    unsigned char *payload;

    while ((payload = chan_reserve(&chan, n)) == NULL) {
        if (errno != EAGAIN)
            _exit(3);
        ring_all();
        chan_worker_wait(&chan, n, 0);
    }
    if (n > 0)
        memcpy(payload, bytes, n);
    (void)chan_commit(&chan, type, flags, serial, n);
}

static void
put_response(uint64_t serial, unsigned flags, struct frame_response head, const void *rest,
             size_t n)
{
    static unsigned char bytes[LIMIT_FRAME];

    memcpy(bytes, &head, sizeof head);
    if (n > 0)
        memcpy(bytes + sizeof head, rest, n);
    put(FRAME_RESPONSE, flags, serial, bytes, sizeof head + n);
}

static void
answer(uint64_t serial, const char *text)
{
    put_response(serial, FRAME_END, (struct frame_response){.status = 200, .declared = -1}, text,
                 strlen(text));
}

/* Writes a frame header with any values, and advances the tail by n bytes. */
static void
put_raw(struct frame_header header, uint64_t n)
{
    unsigned char *at = chan.out_bytes + chan.out_tail % RING;

    memcpy(at, &header, sizeof header);
    chan.out_tail += n;
    atomic_store(&chan.out->tail, chan.out_tail);
}

/* ---- lies in place of a response ---- */

static void
lie_random(uint64_t serial)
{
    (void)serial;
    for (int i = 0; i < 4096; i++) {
        uint64_t word = rnd();

        memcpy(chan.out_bytes + rnd() % (RING - 8), &word, 8);
    }
    atomic_store(&chan.out->tail, rnd() % 3 == 0 ? rnd() : chan.out_tail + rnd() % RING / 16 * 16);
}

static void
lie_lengths(uint64_t serial)
{
    static const uint32_t lengths[] = {0,     1,      15,     16,         17,          24,
                                       65536, 110000, 262144, 0x7fffffff, 0x80000000u, 0xffffffffu};

    put_raw((struct frame_header){.length = lengths[rnd() % 12],
                                  .type = FRAME_RESPONSE,
                                  .flags = FRAME_END,
                                  .serial = serial},
            rnd() % 2 ? 16 : 4096);
}

static void
lie_types(uint64_t serial)
{
    put_raw((struct frame_header){.length = 32,
                                  .type = (uint8_t)rnd(),
                                  .flags = (uint8_t)rnd(),
                                  .claim = (uint16_t)rnd(),
                                  .serial = serial},
            32);
}

static void
lie_serials(uint64_t serial)
{
    answer(rnd() % 2 ? serial + 1 : rnd(), "another's");
}

static void
lie_fields(uint64_t serial)
{
    unsigned char bytes[256];
    struct frame_response head = {.status = 200,
                                  .fields = (uint16_t)(rnd() % 120),
                                  .fields_bytes = (uint32_t)(rnd() % 4 ? rnd() % 300 : rnd()),
                                  .declared = -1};

    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)(rnd() % 5 ? 'a' : rnd());
    put_response(serial, FRAME_END, head, bytes, rnd() % sizeof bytes);
}

/* Sends the fields of the test unchanged. */
static void
lie_forged(uint64_t serial)
{
    struct frame_response head = {.status = 200, .declared = -1};
    unsigned char bytes[1024], *at = bytes;
    char fields[sizeof forged], *rest = fields, *name;

    memcpy(fields, forged, sizeof fields);
    while ((name = strsep(&rest, "|")) != NULL) {
        char *value = strchr(name, ':');
        uint16_t lens[2];

        if (value == NULL) { /* bytes that belong to no field */
            at = mempcpy(at, name, strlen(name));
            continue;
        }
        lens[0] = (uint16_t)(value - name);
        lens[1] = (uint16_t)strlen(value + 1);
        at = mempcpy(at, lens, sizeof lens);
        at = mempcpy(at, name, lens[0]);
        at = mempcpy(at, value + 1, lens[1]);
        head.fields++;
    }
    head.fields_bytes = (uint32_t)(at - bytes);
    at = mempcpy(at, "well", 4);
    put_response(serial, FRAME_END, head, bytes, (size_t)(at - bytes));
}

static void
lie_status(uint64_t serial)
{
    static const uint16_t statuses[] = {0, 1, 99, 100, 101, 199, 600, 999, 65535};

    put_response(serial, FRAME_END,
                 (struct frame_response){.status = statuses[rnd() % 9], .declared = -1}, "x", 1);
}

static void
lie_declared(uint64_t serial)
{
    static const int64_t declared[] = {0, 1, 3, INT64_MAX, INT64_MIN, -2, 1 << 20};

    put_response(
        serial, rnd() % 2 ? FRAME_END : 0,
        (struct frame_response){.status = rnd() % 4 ? 200 : 204, .declared = declared[rnd() % 7]},
        "body", 4);
    put(FRAME_BODY, FRAME_END, serial, "more than was said", 18);
}

/* Marks the response as complete, with fewer bytes than declared. */
static void
lie_short(uint64_t serial)
{
    put_response(serial, FRAME_END, (struct frame_response){.status = 200, .declared = 100}, "half",
                 4);
}

static void
lie_failed(uint64_t serial)
{
    put(FRAME_FAILED, rnd() % 2 ? FRAME_END : 0, serial, "12345678", rnd() % 9);
}

static void
lie_order(uint64_t serial)
{
    switch (rnd() % 6) {
    case 0:
        put(FRAME_BODY, 0, serial, "before its head", 15);
        break;
    case 1:
        answer(serial, "once");
        answer(serial, "twice");
        break;
    case 2:
        answer(serial, "once");
        put(FRAME_BODY, FRAME_END, serial, "and more", 8);
        break;
    case 3:
        put(FRAME_READY, FRAME_END, 0, NULL, 0);
        break;
    case 4:
        put(FRAME_UNFIT, FRAME_END, 0, "too late", 8);
        break;
    default:
        put(FRAME_REQUEST, FRAME_END, serial, "a request", 9);
        break;
    }
}

static void
lie_backwards(uint64_t serial)
{
    answer(serial, "well");
    atomic_store(&chan.out->tail, chan.out_tail - 16 * (1 + rnd() % 64));
    ring_all();
    atomic_store(&chan.out->tail, chan.out_tail - RING);
    ring_all();
}

static void
lie_jump(uint64_t serial)
{
    static const uint64_t jumps[] = {
        1, 8, 16, 4096, 1u << 18, 1u << 19, UINT64_C(1) << 32, UINT64_C(1) << 63};

    (void)serial;
    atomic_store(&chan.out->tail, chan.out_tail + jumps[rnd() % 8]);
    ring_all();
}

/* Publishes wrong consumer positions: beyond what was sent, or backwards. */
static void
lie_consumed(uint64_t serial)
{
    atomic_store(&chan.in->head, rnd() % 2 ? chan.in_head + (rnd() << (rnd() % 64)) : rnd());
    answer(serial, "well");
}

static void
lie_padding(uint64_t serial)
{
    for (int i = 0; i < 64; i++)
        put_raw((struct frame_header){.length = (uint32_t)(16 + rnd() % 3 * 16), .type = FRAME_PAD},
                16 + rnd() % 3 * 16);
    answer(serial, "after padding");
}

static void
lie_words(uint64_t serial)
{
    struct chan_shared *shared = chan.shared;

    atomic_store(&shared->gateway_asleep, (uint32_t)rnd());
    atomic_store(&shared->worker_asleep, (uint32_t)rnd());
    atomic_store(&shared->worker_bell, (uint32_t)rnd());
    atomic_store(&shared->trapped, (uint32_t)rnd());
    atomic_store(&shared->cancelled, rnd());
    atomic_store(&shared->memory_limit, rnd());
    atomic_store(&shared->core, (uint32_t)rnd());
    shared->magic = (uint32_t)rnd();
    shared->version = (uint32_t)rnd();
    atomic_store(&shared->request.tail, rnd());
    answer(serial, "well");
}

/* ---- lies that take longer ---- */

static void
lie_endless(uint64_t serial)
{
    static char bytes[4096];

    put_response(serial, 0, (struct frame_response){.status = 200, .declared = -1}, "begin", 5);
    for (;;) {
        put(FRAME_BODY, 0, serial, bytes, sizeof bytes);
        ring_all();
    }
}

static void
lie_drops(uint64_t serial)
{
    put_response(serial, 0, (struct frame_response){.status = 200, .declared = -1}, NULL, 0);
    for (;;) {
        put(FRAME_BODY, 0, serial, ".", 1);
        ring_all();
        nap(1000);
    }
}

static void
lie_empties(uint64_t serial)
{
    put_response(serial, 0, (struct frame_response){.status = 200, .declared = -1}, NULL, 0);
    for (;;)
        put(FRAME_BODY, 0, serial, NULL, 0);
}

static void
lie_bells(uint64_t serial)
{
    (void)serial;
    for (;;)
        ring_all();
}

static void
lie_silent(uint64_t serial)
{
    (void)serial;
    for (;;)
        nap(10000);
}

static void
lie_closed(uint64_t serial)
{
    for (int fd = 0; fd < 128; fd++)
        (void)close(fd);
    answer(serial, "well");
}

static void
lie_exit(uint64_t serial)
{
    switch (rnd() % 4) {
    case 0:
        answer(serial, "last words");
        break;
    case 1:
        put_response(serial, 0, (struct frame_response){.status = 200, .declared = 99}, "half", 4);
        break;
    case 2:
        put_raw((struct frame_header){.length = 4096, .type = FRAME_RESPONSE}, 16);
        break;
    default:
        break;
    }
    ring_all();
    _exit((int)(rnd() % 256));
}

/* Begins the call, revokes its claim, and dies, as if it had never begun. */
static void
lie_unclaim(uint64_t serial)
{
    struct frame_header header;
    unsigned char *at = chan.in_bytes + chan.in_head % RING;

    (void)serial;
    memcpy(&header, at, sizeof header);
    header.claim = 0;
    memcpy(at, &header, sizeof header);
    _exit(0);
}

static void
lie_output(uint64_t serial)
{
    static char junk[4000];

    for (int i = 0; i < 200; i++) {
        for (size_t k = 0; k < sizeof junk; k++)
            junk[k] = (char)rnd();
        (void)!write(INHERIT_WORKER_OUTPUT, junk, sizeof junk);
        (void)!write(INHERIT_WORKER_OUTPUT, "\0012another\002a line of another's\n", 30);
    }
    answer(serial, "well");
}

/* ---- a second thread, started before the filters, that changes data while it is read ---- */

static _Atomic bool flipping, flip_started;

static void *
flip(void *arg)
{
    atomic_store(&flip_started, true);
    for (uint64_t i = 0;; i++) {
        uint64_t tail = chan.out_tail;
        unsigned char *at = chan.out_bytes + (tail - 64) % RING;
        struct frame_header header = {.length = (uint32_t)(i * 7919),
                                      .type = (uint8_t)(i % 11),
                                      .flags = FRAME_END,
                                      .serial = i};

        if (!atomic_load(&flipping)) {
            nap(50);
            continue;
        }
        memcpy(at, &header, sizeof header);
        memcpy(at + 16, &i, sizeof i);
        atomic_store(&chan.out->tail, i % 2 ? tail : tail + i % 4096);
        atomic_store(&chan.in->head, i % 3 ? chan.in_head : i << 20);
    }
    return arg;
}

static void
lie_flip(uint64_t serial)
{
    atomic_store(&flipping, true);
    for (int i = 0; i < 200; i++) {
        answer(serial, "well, or not");
        ring_all();
        nap(100);
    }
}

static const struct {
    const char *name;
    void (*tell)(uint64_t serial);
} lies[] = {
    {"random", lie_random},       {"lengths", lie_lengths}, {"types", lie_types},
    {"serials", lie_serials},     {"fields", lie_fields},   {"status", lie_status},
    {"declared", lie_declared},   {"failed", lie_failed},   {"order", lie_order},
    {"backwards", lie_backwards}, {"jump", lie_jump},       {"consumed", lie_consumed},
    {"padding", lie_padding},     {"words", lie_words},     {"endless", lie_endless},
    {"drops", lie_drops},         {"empties", lie_empties}, {"bells", lie_bells},
    {"silent", lie_silent},       {"closed", lie_closed},   {"exit", lie_exit},
    {"unclaim", lie_unclaim},     {"output", lie_output},   {"flip", lie_flip},
    {"forged", lie_forged},       {"short", lie_short},
};

static void
tell_lie(uint64_t serial)
{
    for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++)
        if (strcmp(lies[i].name, lie) == 0) {
            lies[i].tell(serial);
            ring_all();
            return;
        }
    answer(serial, "honest");
    ring_as_one_should();
}

/* ---- as hearth-worker: isolation, task, setup; then the lies ---- */

/* Before the filters are installed it may make any call: only the seals protect the file. */
static void
try_to_cut_the_channel(void)
{
    if (ftruncate(INHERIT_WORKER_CHANNEL, 0) == 0 ||
        ftruncate(INHERIT_WORKER_CHANNEL, 1 << 30) == 0)
        (void)!write(INHERIT_WORKER_OUTPUT, "CUT\n", 4);
    if (fcntl(INHERIT_WORKER_CHANNEL, F_ADD_SEALS, F_SEAL_WRITE) == 0)
        (void)!write(INHERIT_WORKER_OUTPUT, "SEALED\n", 7);
}

static void
take_setup(void)
{
    struct frame frame;
    const char *at, *end;

    chan_worker_wait(&chan, 0, 0);
    if (chan_peek(&chan, &frame) != 1 || frame.header.type != FRAME_SETUP)
        _exit(4);
    at = (const char *)frame.payload;
    end = at + frame.len;
    for (; at < end; at += strlen(at) + 1) {
        if (strncmp(at, "LIE=", 4) == 0)
            (void)snprintf(lie, sizeof lie, "%s", at + 4);
        if (strncmp(at, "FORGED=", 7) == 0)
            (void)snprintf(forged, sizeof forged, "%s", at + 7);
        if (strncmp(at, "SEED=", 5) == 0)
            seed = strtoull(at + 5, NULL, 10);
    }
    chan_consume(&chan, &frame);
    seed = (seed ^ (uint64_t)time(NULL)) * 0x9e3779b97f4a7c15u | 1;
}

/* A thread begins with all signals blocked, and unblocks them itself: before the filters. */
static bool
start_flipping(pthread_t *thread)
{
    if (pthread_create(thread, NULL, flip, NULL) != 0)
        return false;
    while (!atomic_load(&flip_started))
        (void)sched_yield();
    return true;
}

int
main(void)
{
    struct hearth_err err = {0};
    pthread_t thread;
    char byte;
    struct iovec iov = {.iov_base = &byte, .iov_len = 1};
    struct msghdr task = {.msg_iov = &iov, .msg_iovlen = 1}; /* its descriptors are dropped */

    (void)prctl(PR_SET_NAME, "hearth-blank", 0, 0, 0);
    try_to_cut_the_channel();
    if (chan_open(&chan, CHAN_WORKER, INHERIT_WORKER_CHANNEL, &err) < 0 ||
        !start_flipping(&thread) ||
        wrk_isolation_prepare(INHERIT_WORKER_FILTERS, &chan, &err) < 0 ||
        wrk_isolation_load(&err) < 0 || recvmsg(INHERIT_WORKER_CONTROL, &task, 0) != 1)
        _exit(5);
    (void)prctl(PR_SET_NAME, "hearth-worker", 0, 0, 0);
    take_setup();
    if (wrk_isolation_narrow(&err) < 0)
        _exit(6);
    if (strcmp(lie, "early") == 0)
        answer(1, "before it is ready");
    put(FRAME_READY, FRAME_END, 0, NULL, 0);
    if (strcmp(lie, "ready_twice") == 0)
        put(FRAME_READY, FRAME_END, 0, NULL, 0);
    ring_all();
    for (;;) {
        struct frame frame;

        chan_worker_wait(&chan, 0, 0);
        if (chan_peek(&chan, &frame) != 1)
            _exit(7);
        if (frame.header.type == FRAME_RETIRE)
            _exit(0);
        if (frame.header.type == FRAME_REQUEST && chan_claim(&chan))
            tell_lie(frame.header.serial);
        chan_consume(&chan, &frame);
    }
}
