/* test_random.c: random events against the scheduler, and what must hold after each. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <time.h>

#include "scheduler.h"

#define MS INT64_C(1000000)

enum { CALLS = 64, SLOTS = 64, LANES = 3 };

/* A world that carries actions out, at random times and with random failures. */
struct world {
    struct sch *sch;
    struct sch_function f;
    struct sch_call calls[CALLS];
    enum { FREE, SENT, RUNS } call_state[CALLS];
    struct sch_slot *slots[SLOTS];
    bool retiring[SLOTS];
    unsigned seed;
    int64_t now;
    uint64_t arrived, answered, order_next, order_of[CALLS], last_order;
};

static int
slot_index(struct world *w, const struct sch_slot *slot)
{
    for (int i = 0; i < SLOTS; i++)
        if (w->slots[i] == slot)
            return i;
    fail_msg("an action about a slot that is not known");
    return -1;
}

/* Of whichever lane has one. */
static bool
next_of_any_lane(struct world *w, struct sch_action *a)
{
    for (uint32_t lane = 0; lane < LANES; lane++)
        if (sch_next_action(w->sch, lane, a)) {
            assert_int_equal(a->call != NULL ? a->call->lane : 0, lane);
            return true;
        }
    assert_int_equal(sch_lanes(w->sch), 0);
    return false;
}

static void
carry_out(struct world *w)
{
    struct sch_action a;

    while (next_of_any_lane(w, &a)) {
        size_t c = a.call != NULL ? (size_t)(a.call - w->calls) : 0;

        switch (a.type) {
        case SCH_DISPATCH:
            (void)slot_index(w, a.slot);
            assert_int_equal(w->call_state[c], SENT);
            assert_ptr_equal(a.call->slot, a.slot);
            assert_int_equal(a.call->lane, a.slot->lane);
            assert_true(a.slot->runs.count == 1 || a.slot->runs.head->stackable);
            assert_true(a.slot->runs.head == a.call || a.call->stackable);
            w->call_state[c] = RUNS;
            break;
        case SCH_RECALL:
            if (a.call->slot != a.slot || a.slot->runs.head == a.call || rand_r(&w->seed) % 2 == 0)
                break; /* it has begun */
            w->call_state[c] = SENT;
            sch_call_recalled(w->sch, a.call, w->now);
            break;
        case SCH_LAUNCH:
            for (int i = 0; i < SLOTS; i++)
                if (w->slots[i] == NULL) {
                    w->slots[i] = a.slot;
                    w->retiring[i] = false;
                    break;
                }
            (void)slot_index(w, a.slot);
            break;
        case SCH_RETIRE:
            w->retiring[slot_index(w, a.slot)] = true;
            assert_null(a.slot->runs.head);
            break;
        case SCH_REFUSE:
            assert_int_equal(w->call_state[c], SENT);
            w->call_state[c] = FREE;
            w->answered++;
            break;
        }
    }
}

static void
check_bounds(struct world *w)
{
    uint64_t waiting = 0, running = 0;

    for (int i = 0; i < CALLS; i++) {
        waiting += w->call_state[i] == SENT;
        running += w->call_state[i] == RUNS;
    }
    assert_int_equal(waiting, w->f.waiting.count);
    assert_int_equal(w->arrived, w->answered + waiting + running);
    /* a call does not wait while an instance is idle */
    assert_true(w->f.waiting.count == 0 || w->f.slots[SCH_SLOT_IDLE].count == 0);
}

static void
random_call(struct world *w)
{
    int i = rand_r(&w->seed) % CALLS;
    struct sch_call *call = &w->calls[i];

    if (w->call_state[i] == FREE) {
        uint32_t before = w->f.waiting.count;

        memset(call, 0, sizeof *call);
        call->stackable = rand_r(&w->seed) % 4 != 0;
        call->lane = (uint8_t)(rand_r(&w->seed) % LANES);
        w->call_state[i] = SENT;
        w->arrived++;
        sch_call_arrived(w->sch, &w->f, call, w->now);
        /* the queue's bound: only calls that were taken back can exceed it */
        assert_true(call->state != SCH_CALL_WAITING ||
                    before < (uint64_t)(w->f.settings.queue + w->f.settings.max));
    } else if (w->call_state[i] == SENT && rand_r(&w->seed) % 4 == 0) {
        sch_call_gone(w->sch, call, w->now);
        w->call_state[i] = FREE;
        w->answered++;
    } else if (w->call_state[i] == RUNS && call->slot->runs.head == call) {
        sch_call_done(w->sch, call, w->now);
        w->call_state[i] = FREE;
        w->answered++;
    }
}

static void
random_slot(struct world *w)
{
    int i = rand_r(&w->seed) % SLOTS;
    struct sch_slot *slot = w->slots[i];
    bool starting;

    if (slot == NULL)
        return;
    starting = slot->state == SCH_SLOT_STARTING;
    if (starting && rand_r(&w->seed) % 3 != 0) {
        sch_slot_ready(w->sch, slot, w->now);
    } else if (w->retiring[i] || starting || rand_r(&w->seed) % 8 == 0) {
        struct sch_call *head = slot->runs.head;

        if (head != NULL) {
            sch_call_lost(w->sch, head);
            w->call_state[head - w->calls] = FREE;
            w->answered++;
        }
        for (struct sch_call *c = slot->runs.head; c != NULL; c = c->next)
            w->call_state[c - w->calls] = SENT;
        w->slots[i] = NULL;
        sch_slot_gone(w->sch, slot, starting, w->now);
    } else if (rand_r(&w->seed) % 8 == 0) {
        sch_slot_doom(w->sch, slot, w->now);
    }
}

static void
random_settings(struct world *w)
{
    struct sch_settings s = w->f.settings;

    s.max = 1 + rand_r(&w->seed) % 8;
    s.min = rand_r(&w->seed) % (s.max + 1);
    s.queue = 32;
    s.idle_timeout_ms = 1 + rand_r(&w->seed) % 100;
    s.queue_timeout_ms = 1 + rand_r(&w->seed) % 100;
    s.recycle_calls = rand_r(&w->seed) % 3 == 0 ? rand_r(&w->seed) % 10 : 0;
    sch_function_change(w->sch, &w->f, &s, rand_r(&w->seed) % 2 ? w->f.generation + 1 : 0, w->now);
}

static void
test_random_events_lose_no_call_and_keep_every_bound(void **state)
{
    static struct world w;
    struct sch_settings s;
    const char *given = getenv("HEARTH_SEED");
    long events = 1000000;

    (void)state;
    memset(&w, 0, sizeof w);
    w.seed = given != NULL ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL);
    print_message("HEARTH_SEED=%u\n", w.seed);
    sch_settings_default(&s);
    s.queue = 32;
    w.sch = sch_new(4, LANES);
    sch_function_init(&w.f, &s);
    for (long i = 0; i < events; i++) {
        w.now += rand_r(&w.seed) % (2 * MS);
        switch (rand_r(&w.seed) % 8) {
        case 0:
            sch_tick(w.sch, w.now);
            break;
        case 1:
        case 2:
        case 3:
            random_slot(&w);
            break;
        case 4:
            if (rand_r(&w.seed) % 64 == 0)
                random_settings(&w);
            break;
        default:
            random_call(&w);
        }
        carry_out(&w);
        check_bounds(&w);
    }
    sch_function_remove(w.sch, &w.f, w.now);
    carry_out(&w);
    for (int at = 0; at < SLOTS; at++)
        while (w.slots[at] != NULL && w.slots[at]->runs.head != NULL) {
            struct sch_call *head = w.slots[at]->runs.head;

            sch_call_done(w.sch, head, w.now);
            w.call_state[head - w.calls] = FREE;
            w.answered++;
            carry_out(&w);
        }
    carry_out(&w);
    for (int i = 0; i < SLOTS; i++)
        if (w.slots[i] != NULL)
            sch_slot_gone(w.sch, w.slots[i], false, w.now);
    carry_out(&w);
    assert_int_equal(w.arrived, w.answered);
    assert_true(sch_function_empty(&w.f));
    sch_free(w.sch);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_events_lose_no_call_and_keep_every_bound),
    };

    return cmocka_run_group_tests_name("random", tests, NULL, NULL);
}
