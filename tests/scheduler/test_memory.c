/* test_memory.c: the memory budget, and how long idle instances are kept. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "run.h"
#include "scheduler.h"

#define MS INT64_C(1000000)
#define S  (1000 * MS)
#define MB INT64_C(1048576)

enum { FUNCTIONS = 3 };

struct host {
    struct sch *sch;
    struct sch_function f[FUNCTIONS];
    int64_t now;
};

static void
begin(struct host *h, int64_t budget_mb, uint64_t queue_calls)
{
    struct sch_settings s;

    memset(h, 0, sizeof *h);
    h->now = 1000 * S;
    h->sch = sch_new(&(struct sch_config){
        .cores = 2, .lanes = 1, .memory_budget = budget_mb * MB, .queue_calls = queue_calls});
    sch_settings_default(&s);
    s.memory = 32 * MB;
    s.idle_timeout_ms = 3600000;
    for (int i = 0; i < FUNCTIONS; i++)
        sch_function_init(&h->f[i], &s);
}

static struct sch_action
next(struct host *h, enum sch_action_type type)
{
    struct sch_action a;

    assert_true(sch_next_action(h->sch, 0, &a));
    assert_int_equal(a.type, type);
    return a;
}

static void
nothing_more(struct host *h)
{
    struct sch_action a;

    assert_false(sch_next_action(h->sch, 0, &a));
}

static void
arrive(struct host *h, int f, struct sch_call *call)
{
    memset(call, 0, sizeof *call);
    sch_call_arrived(h->sch, &h->f[f], call, h->now);
}

/* Runs one call from arrival to end, on a new instance or an idle one. */
static struct sch_slot *
serve(struct host *h, int f)
{
    struct sch_call call;
    struct sch_action a;

    arrive(h, f, &call);
    assert_true(sch_next_action(h->sch, 0, &a));
    if (a.type == SCH_LAUNCH) {
        h->now += 5 * MS;
        sch_slot_ready(h->sch, a.slot, h->now);
        a = next(h, SCH_DISPATCH);
    }
    assert_int_equal(a.type, SCH_DISPATCH);
    h->now += MS;
    sch_call_done(h->sch, &call, h->now);
    return a.slot;
}

static void
test_a_launch_without_room_ends_the_idle_instance_worth_least_and_waits_for_it(void **state)
{
    struct host h;
    struct sch_slot *often, *rarely;
    struct sch_call call;

    (void)state;
    begin(&h, 64, 0);
    rarely = serve(&h, 1);
    often = serve(&h, 0);
    for (int i = 0; i < 10; i++)
        assert_ptr_equal(serve(&h, 0), often);
    arrive(&h, 2, &call);
    assert_ptr_equal(next(&h, SCH_RETIRE).slot, rarely);
    nothing_more(&h); /* nothing is launched before the memory is free */
    sch_slot_gone(h.sch, rarely, false, h.now);
    assert_ptr_equal(next(&h, SCH_LAUNCH).slot->function, &h.f[2]);
    assert_int_equal(sch_used_bytes(h.sch), 64 * MB);
    assert_int_equal(sch_evictions(h.sch), 1);
}

static void
test_min_is_not_evicted(void **state)
{
    struct host h;
    struct sch_settings s;
    struct sch_call call;
    struct sch_slot *slot;

    (void)state;
    begin(&h, 32, 0);
    slot = serve(&h, 0);
    s = h.f[0].settings;
    s.min = 1;
    assert_true(sch_fits(h.sch, &h.f[0], &s));
    sch_function_change(h.sch, &h.f[0], &s, 0, h.now);
    arrive(&h, 1, &call);
    nothing_more(&h);
    assert_int_equal(slot->state, SCH_SLOT_IDLE);
    s.min = 2;
    assert_false(sch_fits(h.sch, &h.f[0], &s));
    s.min = 1;
    assert_false(sch_fits(h.sch, &h.f[1], &s)); /* promised to the other function */
}

static void
test_a_function_without_any_instance_gets_one_of_the_function_with_the_most(void **state)
{
    struct host h;
    struct sch_call calls[3], hungry;
    struct sch_slot *slots[2];

    (void)state;
    begin(&h, 64, 0);
    for (int i = 0; i < 3; i++)
        arrive(&h, 0, &calls[i]);
    slots[0] = next(&h, SCH_LAUNCH).slot;
    h.now += 4 * SCH_START_NS;
    sch_tick(h.sch, h.now);
    slots[1] = next(&h, SCH_LAUNCH).slot;
    for (int i = 0; i < 2; i++) {
        sch_slot_ready(h.sch, slots[i], h.now);
        (void)next(&h, SCH_DISPATCH);
    }
    arrive(&h, 1, &hungry);
    nothing_more(&h);
    h.now += SCH_MEMORY_WAIT_NS + MS;
    sch_tick(h.sch, h.now);
    assert_true(slots[0]->doomed != slots[1]->doomed);
    for (int i = 0; i < 2; i++)
        if (slots[i]->doomed)
            sch_call_done(h.sch, &calls[i], h.now);
    (void)next(&h, SCH_RETIRE);
    sch_slot_gone(h.sch, slots[0]->doomed ? slots[0] : slots[1], false, h.now);
    assert_ptr_equal(next(&h, SCH_LAUNCH).slot->function, &h.f[1]);
}

static void
test_a_limit_that_grows_is_counted_at_once_and_one_that_shrinks_when_it_has(void **state)
{
    struct host h;
    struct sch_settings s;
    struct sch_slot *slot;

    (void)state;
    begin(&h, 64, 0);
    slot = serve(&h, 0);
    s = h.f[0].settings;
    s.memory = 48 * MB;
    sch_function_change(h.sch, &h.f[0], &s, 0, h.now);
    assert_int_equal(sch_used_bytes(h.sch), 48 * MB);
    s.memory = 16 * MB;
    sch_function_change(h.sch, &h.f[0], &s, 0, h.now);
    assert_int_equal(sch_used_bytes(h.sch), 48 * MB);
    sch_slot_shrunk(h.sch, slot, 16 * MB, h.now);
    assert_int_equal(sch_used_bytes(h.sch), 16 * MB);
    s.memory = 80 * MB; /* over the budget: this instance cannot get it */
    sch_function_change(h.sch, &h.f[0], &s, 0, h.now);
    assert_ptr_equal(next(&h, SCH_RETIRE).slot, slot);
    assert_int_equal(sch_used_bytes(h.sch), 16 * MB);
}

static void
test_the_calls_of_all_functions_that_wait_are_bounded(void **state)
{
    struct host h;
    struct sch_call calls[FUNCTIONS];

    (void)state;
    begin(&h, 0, 2);
    for (int i = 0; i < 2; i++) {
        arrive(&h, i, &calls[i]);
        (void)next(&h, SCH_LAUNCH);
    }
    arrive(&h, 2, &calls[2]);
    assert_int_equal(next(&h, SCH_REFUSE).reason, SCH_HOST_FULL);
    nothing_more(&h);
}

/* ---- keep-alive ---- */

static void
run_until(struct host *h, int64_t until)
{
    while (sch_wake_at(h->sch) <= until) {
        h->now = sch_wake_at(h->sch);
        sch_tick(h->sch, h->now);
        if (sch_lanes(h->sch) != 0)
            return; /* the scheduler has decided something */
    }
    h->now = until;
}

static void
test_calls_at_regular_distances_find_an_instance_made_just_before(void **state)
{
    struct host h;
    struct sch_settings s;
    struct sch_slot *slot, *early;

    (void)state;
    begin(&h, 0, 0);
    s = h.f[0].settings;
    s.idle_timeout_ms = SCH_AUTO;
    sch_function_change(h.sch, &h.f[0], &s, 0, h.now);
    for (int i = 0; i < 20; i++) { /* a call every five minutes; no history at first */
        slot = serve(&h, 0);
        h.now += 300 * S;
    }
    slot = serve(&h, 0);
    run_until(&h, h.now + 300 * S);
    assert_ptr_equal(next(&h, SCH_RETIRE).slot, slot); /* retired at once */
    sch_slot_gone(h.sch, slot, false, h.now);
    slot = NULL;
    {
        int64_t idle_since = h.now;

        run_until(&h, h.now + 300 * S);
        early = next(&h, SCH_LAUNCH).slot;
        assert_in_range(h.now - idle_since, 200 * S, 299 * S);
    }
    sch_slot_ready(h.sch, early, h.now);
    assert_int_equal(early->state, SCH_SLOT_IDLE);
    run_until(&h, h.now + 3600 * S); /* without calls it is not kept for ever */
    assert_ptr_equal(next(&h, SCH_RETIRE).slot, early);
}

static void
test_without_a_pattern_an_instance_is_kept_for_a_fixed_time(void **state)
{
    struct host h;
    struct sch_settings s;
    struct sch_slot *slot;
    int64_t since;

    (void)state;
    begin(&h, 0, 0);
    s = h.f[0].settings;
    s.idle_timeout_ms = SCH_AUTO;
    sch_function_change(h.sch, &h.f[0], &s, 0, h.now);
    slot = serve(&h, 0);
    since = h.now;
    run_until(&h, h.now + 2 * SCH_KEEP_NS);
    assert_ptr_equal(next(&h, SCH_RETIRE).slot, slot);
    assert_true(h.now - since >= SCH_KEEP_NS);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            test_a_launch_without_room_ends_the_idle_instance_worth_least_and_waits_for_it),
        cmocka_unit_test(test_min_is_not_evicted),
        cmocka_unit_test(
            test_a_function_without_any_instance_gets_one_of_the_function_with_the_most),
        cmocka_unit_test(
            test_a_limit_that_grows_is_counted_at_once_and_one_that_shrinks_when_it_has),
        cmocka_unit_test(test_the_calls_of_all_functions_that_wait_are_bounded),
        cmocka_unit_test(test_calls_at_regular_distances_find_an_instance_made_just_before),
        cmocka_unit_test(test_without_a_pattern_an_instance_is_kept_for_a_fixed_time),
    };

    return RUN_TESTS("memory", tests, NULL, NULL);
}
