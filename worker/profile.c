/* profile.c: see profile.h. */
#include "profile.h"

#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unwind.h>

#include "bell.h"
#include "clock.h"
#include "limits.h"
#include "redirect.h"

#define DEPTH   48   /* frames of a stack; what called those is cut off */
#define STACKS  4096 /* different ones */
#define LIVE    32768
#define HINTS   8192
#define SEND_MS 2000
#define NAMED   8192 /* addresses that are described; half of that is used */

struct stack {
    uint32_t hash, depth;
    double objects, bytes, live_objects, live_bytes;
    void *frames[DEPTH];
};

struct live {
    void *at; /* NULL: free */
    uint32_t stack;
    double objects, bytes;
};

static struct tables {
    struct stack stacks[STACKS];
    uint16_t index[2 * STACKS]; /* open addressing by hash: 1 + the place in stacks */
    uint8_t hints[HINTS];   /* by hash: how many of `live` have it; in the cache, unlike `live` */
    struct live live[LIVE]; /* open addressing */
    void *named[NAMED];     /* open addressing; while the result is sent */
    uint32_t stacks_count, live_count, named_count, dropped;
} * tables;

static int lock;
static _Atomic bool active; /* a pointer to a hook may have been copied, and outlive the profile */
static __thread int64_t left = PROFILE_MEAN; /* bytes until the next sample */
static __thread uint64_t random_state;
static __thread bool inside;

/* ---- numbers; the worker has no libm, which would cost each start its mapping ---- */

/* Of 0 < x <= 1: the exponent, and the series of the area hyperbolic tangent for the rest. */
static double
logarithm(double x)
{
    int exponent = 0;
    double z, square;

    while (x < 0.75) {
        x *= 2;
        exponent--;
    }
    z = (x - 1) / (x + 1);
    square = z * z;
    return exponent * 0.6931471805599453 +
           2 * z * (1 + square / 3 + square * square / 5 + square * square * square / 7);
}

/* e^-x as (1 - x / 1024)^1024. */
static double
decay(double x)
{
    double e = x < 32 ? 1 - x / 1024 : 0;

    for (int i = 0; i < 10; i++)
        e *= e;
    return e;
}

static int64_t
next_distance(void)
{
    if (random_state == 0)
        random_state = (uint64_t)clock_ns() ^ (uint64_t)(uintptr_t)&left;
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (int64_t)(-logarithm(((double)(random_state >> 11) + 1) / 9007199254740992.0) *
                     PROFILE_MEAN) +
           1;
}

/* ---- stacks ---- */

/* The code of the worker, by the linker. */
extern const char __executable_start, etext;

struct walk {
    void *frames[DEPTH];
    uint32_t depth, skip;
};

static _Unwind_Reason_Code
on_frame(struct _Unwind_Context *context, void *user)
{
    struct walk *walk = user;
    uintptr_t at = _Unwind_GetIP(context);

    if (walk->skip > 0) {
        walk->skip--;
        return _URC_NO_REASON;
    }
    if (at == 0 || walk->depth == DEPTH ||
        (at >= (uintptr_t)&__executable_start && at < (uintptr_t)&etext))
        return _URC_END_OF_STACK; /* the call loop: the function's own frames end here */
    walk->frames[walk->depth++] = (void *)(at - 1); /* in the call, not behind it */
    return _URC_NO_REASON;
}

static uint32_t
hash_of(const struct walk *walk)
{
    uint64_t hash = UINT64_C(14695981039346656037);

    for (uint32_t i = 0; i < walk->depth; i++)
        hash = (hash ^ (uintptr_t)walk->frames[i]) * UINT64_C(1099511628211);
    return (uint32_t)(hash >> 32);
}

/* The record of this stack, made where there is none; NULL: there is no room. */
static struct stack *
find_stack(const struct walk *walk)
{
    uint32_t hash = hash_of(walk);
    struct stack *stack;
    uint16_t *place;

    for (uint32_t i = 0;; i++) {
        place = &tables->index[(hash + i) % (2 * STACKS)];
        if (*place == 0)
            break;
        stack = &tables->stacks[*place - 1];
        if (stack->hash == hash && stack->depth == walk->depth &&
            memcmp(stack->frames, walk->frames, walk->depth * sizeof walk->frames[0]) == 0)
            return stack;
    }
    if (tables->stacks_count == STACKS)
        return NULL;
    stack = &tables->stacks[tables->stacks_count++];
    *place = (uint16_t)tables->stacks_count;
    stack->hash = hash;
    stack->depth = walk->depth;
    memcpy(stack->frames, walk->frames, walk->depth * sizeof walk->frames[0]);
    return stack;
}

/* ---- what is still in use ---- */

static uint32_t
hint_of(const void *at)
{
    return (uint32_t)((uintptr_t)at >> 4) % HINTS;
}

static uint32_t
place_of(const void *at)
{
    return (uint32_t)((uintptr_t)at * UINT64_C(11400714819323198485) >> 40) % LIVE;
}

static void
add_live(void *at, const struct stack *stack, double objects, double bytes)
{
    uint32_t i = place_of(at);

    if (tables->live_count >= LIVE / 4 * 3) {
        tables->dropped++;
        return;
    }
    while (tables->live[i].at != NULL)
        i = (i + 1) % LIVE;
    tables->live[i].stack = (uint32_t)(stack - tables->stacks);
    tables->live[i].objects = objects;
    tables->live[i].bytes = bytes;
    tables->live[i].at = at;
    tables->live_count++;
    if (tables->hints[hint_of(at)] < UINT8_MAX) /* else it stays there */
        tables->hints[hint_of(at)]++;
}

/* What follows a freed place moves up, so that a search may end at the first free one. */
static void
close_gap(uint32_t gap)
{
    uint8_t *hint = &tables->hints[hint_of(tables->live[gap].at)];

    *hint -= *hint < UINT8_MAX;
    for (uint32_t i = (gap + 1) % LIVE; tables->live[i].at != NULL; i = (i + 1) % LIVE) {
        uint32_t home = place_of(tables->live[i].at);

        if ((i - home + LIVE) % LIVE < (i - gap + LIVE) % LIVE)
            continue;
        tables->live[gap] = tables->live[i];
        gap = i;
    }
    tables->live[gap].at = NULL;
    tables->live_count--;
}

static void
take_lock(void)
{
    while (__atomic_exchange_n(&lock, 1, __ATOMIC_ACQUIRE) != 0)
        ;
}

static void
give_lock(void)
{
    __atomic_store_n(&lock, 0, __ATOMIC_RELEASE);
}

static __attribute__((noinline)) void
forget(const void *at)
{
    uint32_t i = place_of(at);

    take_lock();
    while (tables->live[i].at != NULL && tables->live[i].at != at)
        i = (i + 1) % LIVE;
    if (tables->live[i].at == at) {
        struct stack *stack = &tables->stacks[tables->live[i].stack];

        stack->live_objects -= tables->live[i].objects;
        stack->live_bytes -= tables->live[i].bytes;
        close_gap(i);
    }
    give_lock();
}

/* Whether it may be one of the sampled blocks: nearly always not. */
static inline bool
is_hinted(const void *at)
{
    return __atomic_load_n(&tables->hints[hint_of(at)], __ATOMIC_RELAXED) != 0;
}

/* A block of n bytes is sampled with the chance 1 - e^(-n / mean), so it stands for the inverse of
 * that many. */
static __attribute__((noinline)) void
sample(void *at, size_t n)
{
    struct walk walk = {.skip = 3}; /* this function, take_sample, the hook */
    double times = 1 / (1 - decay((double)n / PROFILE_MEAN));
    struct stack *stack;

    (void)_Unwind_Backtrace(on_frame, &walk);
    take_lock();
    stack = active && walk.depth > 0 ? find_stack(&walk) : NULL;
    if (stack != NULL) {
        stack->objects += times;
        stack->bytes += times * (double)n;
        stack->live_objects += times;
        stack->live_bytes += times * (double)n;
        add_live(at, stack, times, times * (double)n);
    } else if (active) {
        tables->dropped++;
    }
    give_lock();
}

static __attribute__((noinline)) void
take_sample(void *at, size_t n)
{
    if (at != NULL && !inside) {
        inside = true;
        sample(at, n > 0 ? n : 1);
        inside = false;
    }
    left = next_distance();
    __asm__ volatile("" ::: "memory"); /* no tail call: its frame is counted */
}

/* Whether the next sample is due. Inline, as is all that runs for every block. */
static inline bool
is_due(size_t n)
{
    left -= (int64_t)n;
    return __builtin_expect(left < 0, 0);
}

/* ---- in place of malloc and the others ---- */

static __attribute__((noinline)) void *
malloc_sampled(size_t n)
{
    void *at = malloc(n);

    take_sample(at, n);
    return at;
}

static __attribute__((noinline)) void *
calloc_sampled(size_t count, size_t n)
{
    void *at = calloc(count, n);

    take_sample(at, count * n);
    return at;
}

/* These two in a form that leaves no frame of its own: it is a jump. */
static void *
on_malloc(size_t n)
{
    return is_due(n) ? malloc_sampled(n) : malloc(n);
}

static void *
on_calloc(size_t count, size_t n)
{
    return is_due(count * n) ? calloc_sampled(count, n) : calloc(count, n);
}

static void *
on_realloc(void *old, size_t n)
{
    void *at;

    if (old != NULL && is_hinted(old))
        forget(old); /* before another thread can get it */
    at = realloc(old, n);
    if (is_due(n))
        take_sample(at, n);
    return at;
}

static void *
on_aligned_alloc(size_t alignment, size_t n)
{
    void *at = aligned_alloc(alignment, n);

    if (is_due(n))
        take_sample(at, n);
    return at;
}

static int
on_posix_memalign(void **at, size_t alignment, size_t n)
{
    int status = posix_memalign(at, alignment, n);

    if (status == 0 && is_due(n))
        take_sample(*at, n);
    return status;
}

static void
on_free(void *at)
{
    if (__builtin_expect(is_hinted(at), 0))
        forget(at);
    free(at);
}

static const struct wrk_redirect hooks[] = {
    {"malloc", (void *)on_malloc},
    {"calloc", (void *)on_calloc},
    {"realloc", (void *)on_realloc},
    {"aligned_alloc", (void *)on_aligned_alloc},
    {"memalign", (void *)on_aligned_alloc},
    {"posix_memalign", (void *)on_posix_memalign},
    {"free", (void *)on_free},
    {NULL, NULL},
};

void
wrk_profile_start(void)
{
    void *made = tables;

    if (made == NULL)
        made =
            mmap(NULL, sizeof *tables, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (made == MAP_FAILED)
        return;
    tables = made;
    active = true;
    left = next_distance();
    wrk_redirect(hooks);
}

/* ---- the result ---- */

struct sender {
    struct chan *chan;
    unsigned char *frame;
    size_t len;
    bool failed;
};

static void
send_frame(struct sender *s, unsigned flags)
{
    if (s->frame == NULL || s->failed)
        return;
    chan_commit(s->chan, FRAME_PROFILED, flags, 0, s->len);
    wrk_ring_bell(s->chan);
    s->frame = NULL;
    s->len = 0;
}

/* Waits for room, as long as the gateway takes what is there. */
static void
begin_frame(struct sender *s)
{
    int64_t until = clock_ms() + SEND_MS;

    while (s->frame == NULL && !s->failed) {
        s->frame = chan_reserve(s->chan, LIMIT_FRAME);
        if (s->frame == NULL && (errno != EAGAIN || clock_ms() > until))
            s->failed = true;
        else if (s->frame == NULL)
            chan_worker_wait(s->chan, LIMIT_FRAME, 0);
    }
}

static void
send_bytes(struct sender *s, const char *text, size_t n)
{
    if (s->len + n > LIMIT_FRAME)
        send_frame(s, 0);
    begin_frame(s);
    if (s->failed)
        return;
    memcpy(s->frame + s->len, text, n);
    s->len += n;
}

static void __attribute__((format(printf, 2, 3))) send_text(struct sender *s, const char *fmt, ...)
{
    char text[512];
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (n < 0)
        return;
    if (n >= (int)sizeof text)
        n = sizeof text - 1;
    send_bytes(s, text, (size_t)n);
}

static void
send_symbol(struct sender *s, void *at)
{
    Dl_info info = {0};
    void *extra = NULL;
    const char *object = "?", *slash;
    const ElfW(Sym) * symbol;
    bool inside_symbol;

    if (dladdr1(at, &info, &extra, RTLD_DL_SYMENT) == 0) {
        send_text(s, "f %lx ? %lx ?\n", (unsigned long)(uintptr_t)at, (unsigned long)(uintptr_t)at);
        return;
    }
    symbol = extra;
    if (info.dli_fname != NULL)
        object = (slash = strrchr(info.dli_fname, '/')) != NULL ? slash + 1 : info.dli_fname;
    if (info.dli_fname != NULL && strncmp(info.dli_fname, "/fd/", 4) == 0)
        object = "function.so";
    /* the nearest exported symbol before it may be that of another function */
    inside_symbol = symbol != NULL && info.dli_sname != NULL &&
                    (uintptr_t)at - (uintptr_t)info.dli_saddr < symbol->st_size;
    send_text(s, "f %lx %.100s %lx %.200s\n", (unsigned long)(uintptr_t)at, object,
              (unsigned long)((uintptr_t)at - (uintptr_t)info.dli_fbase),
              inside_symbol ? info.dli_sname : "?");
}

/* Whether this address is new; false also if there is no room for more. */
static bool
take_name(void *at)
{
    uint32_t i = place_of(at) % NAMED;

    while (tables->named[i] != NULL && tables->named[i] != at)
        i = (i + 1) % NAMED;
    if (tables->named[i] == at || tables->named_count == NAMED / 2)
        return false;
    tables->named[i] = at;
    tables->named_count++;
    return true;
}

static void
send_stack(struct sender *s, const struct stack *stack)
{
    if (tables->named_count + stack->depth > NAMED / 2) {
        tables->dropped++;
        return;
    }
    for (uint32_t i = 0; i < stack->depth; i++)
        if (take_name(stack->frames[i]))
            send_symbol(s, stack->frames[i]);
    send_text(s, "s %.0f %.0f %.0f %.0f", stack->objects, stack->bytes, stack->live_objects,
              stack->live_bytes);
    for (uint32_t i = 0; i < stack->depth; i++)
        send_text(s, " %lx", (unsigned long)(uintptr_t)stack->frames[i]);
    send_text(s, "\n");
}

void
wrk_profile_stop(struct chan *chan)
{
    struct sender s = {.chan = chan};

    wrk_redirect_undo();
    active = false;
    if (tables != NULL) {
        for (uint32_t i = 0; i < tables->stacks_count; i++)
            send_stack(&s, &tables->stacks[i]);
        send_text(&s, "d %u\n", tables->dropped);
        /* all zero again; the mapping stays, since a thread may still be in a hook */
        (void)madvise(tables, sizeof *tables, MADV_DONTNEED);
    }
    begin_frame(&s);
    send_frame(&s, FRAME_END);
}

void
wrk_profile_send(struct chan *chan, const char *text)
{
    struct sender s = {.chan = chan};

    while (*text != '\0') { /* line by line: each ends with a newline */
        size_t n = strcspn(text, "\n");

        if (text[n] != '\n')
            break;
        if (n < LIMIT_FRAME)
            send_bytes(&s, text, n + 1);
        text += n + 1;
    }
    begin_frame(&s);
    send_frame(&s, FRAME_END);
}
