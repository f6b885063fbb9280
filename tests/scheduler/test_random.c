/* test_random.c: a million random events for the scheduler, with invariants that are checked after
 * each: no call is lost or answered twice; the budget, max and the queue limits are kept; calls are
 * served in order; nothing is left at the end.
 *
 * Every event is derived from one number, which depends only on the seed and the event's index.
 * When a run fails, events can therefore be left out one by one, and the shortest failing run is
 * printed. Each run is a separate process.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <time.h>

#include "run.h"
#include "scheduler.h"

#define MS INT64_C(1000000)
#define MB INT64_C(1048576)

enum { FUNCTIONS = 5, CALLS = 96, SLOTS = 128, LANES = 3, EVENTS = 1000000 };
enum { BUDGET_MB = 200, QUEUE = 16, HOST_CALLS = 40, HOST_BYTES = 3000 };

struct world {
    struct sch *sch;
    struct sch_function f[FUNCTIONS];
    struct sch_call calls[CALLS];
    enum { FREE, SENT, RUNS } call_state[CALLS];
    uint64_t order[CALLS]; /* of arrival */
    struct sch_slot *slots[SLOTS];
    bool ending[SLOTS];           /* told to end: it must get no more calls */
    uint64_t accepted[FUNCTIONS]; /* calls waiting or given to slots, after the last event */
    int64_t held;
    uint64_t number; /* the unused part of the event's number */
    int64_t now;
    uint64_t arrived, answered;
    uint64_t recalled; /* calls that wait although they had been running */
    uint64_t dispatched, launched;
};

static long at_event;

/* cmocka's checks cannot end a child process; this one can. */
#define CHECK(what)                                                                                \
    do {                                                                                           \
        if (!(what)) {                                                                             \
            (void)fprintf(stderr, "event %ld, line %d: not so: %s\n", at_event, __LINE__, #what);  \
            _exit(1);                                                                              \
        }                                                                                          \
    } while (0)

static uint64_t
mix(uint64_t z)
{
    z += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static unsigned
any(struct world *w, unsigned below)
{
    w->number = mix(w->number);
    return (unsigned)(w->number % below);
}

/* ---- carrying out actions ---- */

static int
slot_index(struct world *w, const struct sch_slot *slot)
{
    int i = 0;

    while (i < SLOTS && w->slots[i] != slot)
        i++;
    CHECK(i < SLOTS);
    return i;
}

/* Calls of one function and one lane are served in the order of arrival. */
static void
check_order(struct world *w, const struct sch_call *call)
{
    for (int i = 0; i < CALLS; i++)
        CHECK(w->call_state[i] != SENT || w->calls[i].state != SCH_CALL_WAITING ||
              w->calls[i].function != call->function || w->calls[i].lane != call->lane ||
              w->order[i] >= w->order[call - w->calls]);
}

static void
dispatched(struct world *w, const struct sch_action *a)
{
    size_t c = (size_t)(a->call - w->calls);

    CHECK(!w->ending[slot_index(w, a->slot)]);
    CHECK(w->call_state[c] == SENT);
    CHECK(a->call->slot == a->slot && a->call->lane == a->slot->lane);
    CHECK(a->slot->function == a->call->function);
    CHECK(a->slot->state == SCH_SLOT_BUSY);
    CHECK(a->slot->runs.head == a->call || (a->call->stackable && a->slot->runs.head->stackable));
    check_order(w, a->call);
    w->call_state[c] = RUNS;
    w->dispatched++;
}

static void
launched(struct world *w, struct sch_slot *slot)
{
    int i = 0;

    while (w->slots[i] != NULL)
        i++;
    CHECK(i < SLOTS);
    w->slots[i] = slot;
    w->ending[i] = false;
    w->launched++;
    CHECK(sch_function_live(slot->function) <= (uint64_t)slot->function->settings.max);
}

static void
carry_out(struct world *w)
{
    for (uint32_t lane = 0; lane < LANES; lane++) {
        struct sch_action a;

        while (sch_next_action(w->sch, lane, &a)) {
            CHECK((a.call != NULL ? a.call->lane : 0) == lane);
            switch (a.type) {
            case SCH_DISPATCH:
                dispatched(w, &a);
                break;
            case SCH_RECALL:
                if (a.call->slot != a.slot || (a.slot->runs.head == a.call && !a.slot->doomed) ||
                    any(w, 2) == 0)
                    break; /* it has begun */
                w->call_state[a.call - w->calls] = SENT;
                w->recalled++;
                sch_call_recalled(w->sch, a.call, w->now);
                lane = 0; /* any lane may have more now */
                break;
            case SCH_LAUNCH:
                launched(w, a.slot);
                break;
            case SCH_RETIRE:
                (void)slot_index(w, a.slot);
                CHECK(a.slot->state == SCH_SLOT_RETIRING && a.slot->runs.head == NULL);
                break;
            case SCH_PAUSED:
                (void)slot_index(w, a.slot);
                CHECK(a.slot->paused && a.slot->state == SCH_SLOT_STARTING &&
                      a.slot->runs.head == NULL);
                break;
            case SCH_REFUSE:
                CHECK(w->call_state[a.call - w->calls] == SENT);
                w->call_state[a.call - w->calls] = FREE;
                w->answered++;
                break;
            }
        }
    }
    if (sch_lanes(w->sch) != 0)
        carry_out(w);
}

/* ---- invariants ---- */

static void
check_memory(struct world *w)
{
    int64_t used = w->held;

    for (int i = 0; i < SLOTS; i++)
        used += w->slots[i] != NULL ? w->slots[i]->memory : 0;
    CHECK(used == sch_used_bytes(w->sch));
    CHECK(used <= BUDGET_MB * MB);
}

static void
check_calls(struct world *w)
{
    uint64_t waiting = 0, running = 0, listed = 0;

    for (int i = 0; i < CALLS; i++) {
        waiting += w->call_state[i] == SENT;
        running += w->call_state[i] == RUNS;
    }
    for (int i = 0; i < FUNCTIONS; i++) {
        const struct sch_function *f = &w->f[i];

        listed += f->waiting.count;
        /* a call does not wait while an instance of its function is idle */
        CHECK(f->waiting.count == 0 || f->slots[SCH_SLOT_IDLE].count == 0);
        for (const struct sch_slot *s = f->slots[SCH_SLOT_BUSY].head; s != NULL; s = s->next)
            CHECK(s->runs.head != NULL);
    }
    CHECK(waiting == listed);
    CHECK(w->arrived == w->answered + waiting + running);
}

/* No function has accepted more than queue + max calls, unless these were lowered afterwards. Calls
 * that wait or were sent ahead, and their memory, stay within the limits for all functions. */
static void
check_bounds(struct world *w)
{
    uint64_t queued = 0, bytes = 0;

    for (int i = 0; i < FUNCTIONS; i++) {
        const struct sch_function *f = &w->f[i];
        uint64_t accepted = f->waiting.count;

        for (int s = 0; s < SCH_SLOT_STATE_COUNT; s++)
            for (const struct sch_slot *slot = f->slots[s].head; slot != NULL; slot = slot->next)
                accepted += slot->runs.count;
        CHECK(accepted <= (uint64_t)(f->settings.queue + f->settings.max) ||
              accepted <= w->accepted[i]);
        w->accepted[i] = accepted;
    }
    for (int i = 0; i < CALLS; i++) {
        const struct sch_call *call = &w->calls[i];

        if (w->call_state[i] == FREE || (w->call_state[i] == RUNS && call->prev == NULL))
            continue;
        queued++;
        bytes += call->bytes;
    }
    CHECK(queued <= HOST_CALLS && bytes <= HOST_BYTES);
}

/* ---- events ---- */

/* The first call in this state, starting at a random one; -1: none. */
static int
find_call(struct world *w, int state)
{
    int first = (int)any(w, CALLS);

    for (int n = 0; n < CALLS; n++)
        if ((int)w->call_state[(first + n) % CALLS] == state)
            return (first + n) % CALLS;
    return -1;
}

static void
arrival(struct world *w)
{
    int i = find_call(w, FREE);
    struct sch_call *call = &w->calls[i];
    struct sch_function *f = &w->f[any(w, FUNCTIONS)];

    if (i < 0)
        return;
    memset(call, 0, sizeof *call);
    call->stackable = any(w, 4) != 0;
    call->lane = (uint8_t)any(w, LANES);
    call->bytes = any(w, 200);
    w->call_state[i] = SENT;
    w->order[i] = ++w->arrived;
    sch_call_arrived(w->sch, f, call, w->now);
}

static void
call_event(struct world *w)
{
    int i = -1;

    switch (any(w, 8)) {
    case 0:
    case 1:
    case 2:
        arrival(w);
        return;
    case 3:
        i = any(w, 8) == 0 ? find_call(w, SENT) : -1;
        if (i >= 0)
            sch_call_gone(w->sch, &w->calls[i], w->now);
        break;
    default:
        i = find_call(w, RUNS);
        if (i >= 0) {
            struct sch_call *head = w->calls[i].slot->runs.head;

            i = (int)(head - w->calls);
            sch_call_done(w->sch, head, w->now);
        }
    }
    if (i < 0)
        return;
    w->call_state[i] = FREE;
    w->answered++;
}

static void
end_slot(struct world *w, int i)
{
    struct sch_slot *slot = w->slots[i];
    bool starting = slot->state == SCH_SLOT_STARTING && !slot->paused;
    struct sch_call *head = slot->runs.head;

    if (head != NULL) {
        sch_call_lost(w->sch, head);
        w->call_state[head - w->calls] = FREE;
        w->answered++;
    }
    for (struct sch_call *c = slot->runs.head; c != NULL; c = c->next) {
        w->call_state[c - w->calls] = SENT;
        w->recalled++;
    }
    w->slots[i] = NULL;
    w->ending[i] = false;
    sch_slot_gone(w->sch, slot, starting, w->now);
}

static void
slot_event(struct world *w)
{
    int first = (int)any(w, SLOTS), i = first;
    struct sch_slot *slot;

    while (w->slots[i] == NULL)
        if ((i = (i + 1) % SLOTS) == first)
            return;
    slot = w->slots[i];
    if (any(w, 16) == 0)
        sch_slot_pause(w->sch, slot, w->now);
    else if (slot->paused && any(w, 16) != 0)
        sch_slot_resume(w->sch, slot, w->now);
    else if (slot->state == SCH_SLOT_STARTING && any(w, 16) != 0 && !slot->paused)
        sch_slot_ready(w->sch, slot, w->now);
    else if (slot->state == SCH_SLOT_STARTING || slot->state == SCH_SLOT_RETIRING ||
             any(w, 64) == 0)
        end_slot(w, i);
    else if (any(w, 16) == 0) { /* for example its call timed out: it will be killed */
        sch_slot_doom(w->sch, slot, SCH_END_CRASHED, w->now);
        w->ending[i] = true;
        CHECK(slot->state != SCH_SLOT_IDLE);
    } else if (any(w, 2) == 0)
        sch_slot_shrunk(w->sch, slot, slot->function->settings.memory, w->now);
}

static void
settings_event(struct world *w)
{
    struct sch_function *f = &w->f[any(w, FUNCTIONS)];
    struct sch_settings s = f->settings;

    s.max = 1 + any(w, 8);
    s.min = any(w, (unsigned)s.max + 1);
    s.queue = any(w, QUEUE);
    s.memory = (4 + any(w, 40)) * MB;
    s.idle_timeout_ms = any(w, 3) == 0 ? SCH_AUTO : 1 + any(w, 100);
    s.queue_timeout_ms = 1 + any(w, 100);
    s.recycle_calls = any(w, 3) == 0 ? any(w, 10) : 0;
    if (sch_fits(w->sch, f, &s))
        sch_function_change(w->sch, f, &s, any(w, 2) ? f->generation + 1 : 0, w->now);
}

static void
hold_event(struct world *w)
{
    int64_t bytes = (4 + any(w, 40)) * MB;

    if (w->held > 0) {
        int64_t back = w->held;

        w->held = 0;
        sch_release(w->sch, back, w->now);
    } else if (sch_hold(w->sch, bytes, w->now)) {
        w->held = bytes;
    }
}

/* Mostly microseconds, so that calls are short and are sent ahead. Sometimes long enough for
 * timeouts. */
static void
pass_time(struct world *w)
{
    unsigned kind = any(w, 256);

    if (kind == 0 && any(w, 16) == 0)
        w->now += 60000 * MS;
    else if (kind < 8)
        w->now += any(w, 20 * MS);
    else
        w->now += any(w, 5000);
}

static void
one_event(struct world *w, uint64_t number)
{
    w->number = number;
    pass_time(w);
    switch (any(w, 16)) {
    case 0:
    case 1:
        sch_tick(w->sch, w->now);
        break;
    case 2:
        if (any(w, 16) == 0)
            settings_event(w);
        break;
    case 3:
        if (any(w, 4) == 0)
            hold_event(w);
        break;
    case 4:
    case 5:
    case 6:
        slot_event(w);
        break;
    default:
        call_event(w);
    }
    carry_out(w);
    check_memory(w);
    check_calls(w);
    check_bounds(w);
}

/* ---- one run ---- */

static void
begin(struct world *w)
{
    struct sch_config config = {.cores = 4,
                                .lanes = LANES,
                                .memory_budget = BUDGET_MB * MB,
                                .queue_calls = HOST_CALLS,
                                .queue_bytes = HOST_BYTES};
    struct sch_settings s;

    memset(w, 0, sizeof *w);
    w->now = 1000 * MS;
    sch_settings_default(&s);
    s.queue = QUEUE;
    s.memory = 16 * MB;
    w->sch = sch_new(&config);
    for (int i = 0; i < FUNCTIONS; i++)
        sch_function_init(&w->f[i], &s);
}

/* Ends all running calls and retiring instances. Nothing must be left then. */
static void
end(struct world *w)
{
    for (int i = 0; i < FUNCTIONS; i++)
        sch_function_remove(w->sch, &w->f[i], w->now);
    carry_out(w);
    for (int i = 0; i < CALLS; i++)
        while (w->call_state[i] == RUNS) {
            struct sch_call *head = w->calls[i].slot->runs.head;

            sch_call_done(w->sch, head, w->now);
            w->call_state[head - w->calls] = FREE;
            w->answered++;
            carry_out(w);
        }
    for (int i = 0; i < SLOTS; i++)
        if (w->slots[i] != NULL)
            end_slot(w, i);
    carry_out(w);
    CHECK(w->arrived == w->answered);
    for (int i = 0; i < FUNCTIONS; i++)
        CHECK(sch_function_empty(&w->f[i]));
    CHECK(sch_used_bytes(w->sch) == w->held);
    CHECK(sch_wake_at(w->sch) == INT64_MAX);
    /* the run must have done enough to be useful */
    if (at_event == EVENTS) {
        CHECK(w->arrived > EVENTS / 10 && w->dispatched > w->arrived / 2);
        CHECK(w->recalled > 100 && w->launched > 1000 && sch_evictions(w->sch) > 100);
    }
    sch_free(w->sch);
}

/* Runs the first `count` events, except the left-out ones, in a child process. Returns true if all
 * invariants hold. *failed_at: the event after which one failed. */
static bool
run(uint64_t seed, const unsigned char *left_out, long count, long *failed_at, bool quiet)
{
    static struct world w;
    int pipes[2], status;
    pid_t pid = pipe(pipes) == 0 ? fork() : -1;

    if (pid < 0)
        fail_msg("no process for a run");
    if (pid == 0) {
        if (quiet)
            (void)!freopen("/dev/null", "w", stderr);
        begin(&w);
        for (at_event = 0; at_event < count; at_event++) {
            if (left_out[at_event])
                continue;
            if (at_event % 4096 == 0)
                (void)!write(pipes[1], &at_event, sizeof at_event);
            one_event(&w, mix(seed ^ mix((uint64_t)at_event)));
        }
        end(&w);
        _exit(0);
    }
    (void)close(pipes[1]);
    *failed_at = 0;
    while (read(pipes[0], failed_at, sizeof *failed_at) == sizeof *failed_at)
        ;
    (void)close(pipes[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* Leaves out as many events as possible while the run still fails, for at most a minute. */
static void
shrink(uint64_t seed, unsigned char *left_out, long count)
{
    time_t until = time(NULL) + 60;
    long ignored, left = 0;

    for (long chunk = count / 2; chunk > 0 && time(NULL) < until; chunk /= 2)
        for (long at = 0; at < count && time(NULL) < until; at += chunk) {
            unsigned char was[4096];
            long n = at + chunk < count ? chunk : count - at;

            if (n > (long)sizeof was || memchr(left_out + at, 0, (size_t)n) == NULL) {
                if (n <= (long)sizeof was)
                    continue;
                memset(left_out + at, 1, (size_t)n); /* all or nothing */
                if (run(seed, left_out, count, &ignored, true))
                    memset(left_out + at, 0, (size_t)n);
                continue;
            }
            memcpy(was, left_out + at, (size_t)n);
            memset(left_out + at, 1, (size_t)n);
            if (run(seed, left_out, count, &ignored, true))
                memcpy(left_out + at, was, (size_t)n);
        }
    print_message("# the shortest run that fails has the events");
    for (long i = 0; i < count; i++)
        if (!left_out[i] && left++ < 200)
            print_message(" %ld", i);
    print_message(" (%ld of them)\n", left);
    (void)run(seed, left_out, count, &ignored, false);
}

static void
test_random_events_lose_no_call_and_keep_every_bound(void **state)
{
    static unsigned char left_out[EVENTS];
    uint64_t seed = run_seed();
    long failed_at;

    (void)state;
    if (run(seed, left_out, EVENTS, &failed_at, false))
        return;
    shrink(seed, left_out, failed_at + 4096 < EVENTS ? failed_at + 4096 : EVENTS);
    fail_msg("seed %llu fails: see above", (unsigned long long)seed);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_events_lose_no_call_and_keep_every_bound),
    };

    return RUN_TESTS("random", tests, NULL, NULL);
}
