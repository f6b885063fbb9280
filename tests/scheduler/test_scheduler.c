/* test_scheduler.c: the scheduler, tested through its events and actions only. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <time.h>

#include "run.h"
#include "scheduler.h"

#define MS INT64_C(1000000)

struct fixture {
    struct sch *sch;
    struct sch_function f;
    int64_t now;
};

static void
begin(struct fixture *x, int64_t min, int64_t max, int64_t queue)
{
    struct sch_settings s;

    memset(x, 0, sizeof *x);
    sch_settings_default(&s);
    s.min = min;
    s.max = max;
    s.queue = queue;
    x->sch = sch_new(&(struct sch_config){.cores = 4, .lanes = 1});
    x->now = 1000 * MS;
    sch_function_init(&x->f, &s);
}

static void
end(struct fixture *x)
{
    sch_free(x->sch);
}

static struct sch_action
next(struct fixture *x, enum sch_action_type type)
{
    struct sch_action a;

    assert_true(sch_next_action(x->sch, 0, &a));
    assert_int_equal(a.type, type);
    return a;
}

static void
nothing_more(struct fixture *x)
{
    struct sch_action a;

    assert_false(sch_next_action(x->sch, 0, &a));
}

static void
arrive(struct fixture *x, struct sch_call *call)
{
    memset(call, 0, sizeof *call);
    sch_call_arrived(x->sch, &x->f, call, x->now);
}

/* Makes a function with n idle instances. */
static void
warm(struct fixture *x, struct sch_slot **slots, int n)
{
    static struct sch_call calls[16];

    for (int i = 0; i < n; i++)
        arrive(x, &calls[i]);
    slots[0] = next(x, SCH_LAUNCH).slot;
    nothing_more(x); /* the others follow only after calls have waited for the time of a start */
    x->now += 4 * SCH_START_NS;
    sch_tick(x->sch, x->now);
    for (int i = 1; i < n; i++)
        slots[i] = next(x, SCH_LAUNCH).slot;
    for (int i = 0; i < n; i++)
        sch_slot_ready(x->sch, slots[i], x->now);
    for (int i = 0; i < n; i++)
        (void)next(x, SCH_DISPATCH);
    for (int i = 0; i < n; i++)
        sch_call_done(x->sch, &calls[i], x->now);
    nothing_more(x);
}

static void
test_first_call_launches_an_instance_and_runs_when_it_is_ready(void **state)
{
    struct fixture x;
    struct sch_call call;
    struct sch_slot *slot;

    (void)state;
    begin(&x, 0, 8, 10);
    arrive(&x, &call);
    slot = next(&x, SCH_LAUNCH).slot;
    nothing_more(&x);
    assert_int_equal(slot->state, SCH_SLOT_STARTING);
    sch_slot_ready(x.sch, slot, x.now);
    assert_ptr_equal(next(&x, SCH_DISPATCH).call, &call);
    assert_true(call.cold);
    assert_int_equal(slot->state, SCH_SLOT_BUSY);
    sch_call_done(x.sch, &call, x.now);
    assert_int_equal(slot->state, SCH_SLOT_IDLE);
    nothing_more(&x);
    end(&x);
}

static void
test_warm_call_goes_to_the_instance_used_last(void **state)
{
    struct fixture x;
    struct sch_slot *slots[3];
    struct sch_call call;

    (void)state;
    begin(&x, 0, 8, 10);
    warm(&x, slots, 3);
    arrive(&x, &call);
    assert_ptr_equal(next(&x, SCH_DISPATCH).slot, slots[2]);
    assert_false(call.cold);
    end(&x);
}

static void
test_calls_wait_in_order_and_max_is_kept(void **state)
{
    struct fixture x;
    struct sch_slot *slots[2];
    struct sch_call calls[5];

    (void)state;
    begin(&x, 0, 2, 10);
    warm(&x, slots, 2);
    for (int i = 0; i < 5; i++)
        arrive(&x, &calls[i]);
    (void)next(&x, SCH_DISPATCH);
    (void)next(&x, SCH_DISPATCH);
    nothing_more(&x);
    for (int i = 2; i < 5; i++) {
        sch_call_done(x.sch, &calls[i - 2], x.now);
        assert_ptr_equal(next(&x, SCH_DISPATCH).call, &calls[i]);
    }
    end(&x);
}

static void
test_a_full_queue_refuses(void **state)
{
    struct fixture x;
    struct sch_slot *slots[1];
    struct sch_call calls[4];
    struct sch_action a;

    (void)state;
    begin(&x, 0, 1, 2);
    warm(&x, slots, 1);
    for (int i = 0; i < 4; i++)
        arrive(&x, &calls[i]);
    (void)next(&x, SCH_DISPATCH);
    a = next(&x, SCH_REFUSE);
    assert_ptr_equal(a.call, &calls[3]);
    assert_int_equal(a.reason, SCH_QUEUE_FULL);
    end(&x);
}

static void
test_queue_0_still_starts_a_cold_function(void **state)
{
    struct fixture x;
    struct sch_call calls[2];

    (void)state;
    begin(&x, 0, 1, 0);
    arrive(&x, &calls[0]);
    (void)next(&x, SCH_LAUNCH);
    arrive(&x, &calls[1]);
    assert_int_equal(next(&x, SCH_REFUSE).reason, SCH_QUEUE_FULL);
    end(&x);
}

static void
test_a_wait_over_queue_timeout_refuses_at_that_time(void **state)
{
    struct fixture x;
    struct sch_slot *slots[1];
    struct sch_call calls[2];

    (void)state;
    begin(&x, 0, 1, 10);
    warm(&x, slots, 1);
    arrive(&x, &calls[0]);
    arrive(&x, &calls[1]);
    (void)next(&x, SCH_DISPATCH);
    assert_true(sch_wake_at(x.sch) <= x.now + 5000 * MS);
    sch_tick(x.sch, x.now + 4999 * MS);
    nothing_more(&x);
    sch_tick(x.sch, x.now + 5000 * MS);
    assert_int_equal(next(&x, SCH_REFUSE).reason, SCH_QUEUE_TIMEOUT);
    end(&x);
}

static void
test_idle_instances_beyond_min_end_after_idle_timeout(void **state)
{
    struct fixture x;
    struct sch_slot *slots[3];

    (void)state;
    begin(&x, 1, 8, 10);
    warm(&x, slots, 3);
    sch_tick(x.sch, x.now + 59999 * MS);
    nothing_more(&x);
    sch_tick(x.sch, x.now + 60000 * MS);
    assert_ptr_equal(next(&x, SCH_RETIRE).slot, slots[0]);
    assert_ptr_equal(next(&x, SCH_RETIRE).slot, slots[1]);
    nothing_more(&x);
    sch_slot_gone(x.sch, slots[0], false, x.now);
    nothing_more(&x);
    end(&x);
}

static void
test_min_is_launched_without_a_call_and_after_a_death(void **state)
{
    struct fixture x;
    struct sch_slot *a, *b;

    (void)state;
    begin(&x, 2, 8, 10);
    sch_function_change(x.sch, &x.f, &x.f.settings, 0, x.now);
    a = next(&x, SCH_LAUNCH).slot;
    b = next(&x, SCH_LAUNCH).slot;
    nothing_more(&x);
    sch_slot_ready(x.sch, a, x.now);
    sch_slot_ready(x.sch, b, x.now);
    sch_slot_gone(x.sch, a, false, x.now);
    (void)next(&x, SCH_LAUNCH);
    nothing_more(&x);
    end(&x);
}

static void
test_an_instance_that_dies_is_replaced_for_those_who_wait(void **state)
{
    struct fixture x;
    struct sch_slot *slots[1];
    struct sch_call calls[2];

    (void)state;
    begin(&x, 0, 1, 10);
    warm(&x, slots, 1);
    arrive(&x, &calls[0]);
    arrive(&x, &calls[1]);
    (void)next(&x, SCH_DISPATCH);
    sch_call_lost(x.sch, &calls[0]);
    sch_slot_gone(x.sch, slots[0], false, x.now);
    (void)next(&x, SCH_LAUNCH);
    nothing_more(&x);
    assert_int_equal(calls[1].state, SCH_CALL_WAITING);
    end(&x);
}

static void
test_a_failed_start_refuses_those_who_wait_and_is_not_tried_for_nobody(void **state)
{
    struct fixture x;
    struct sch_call call;
    struct sch_slot *slot;

    (void)state;
    begin(&x, 1, 1, 10);
    arrive(&x, &call);
    slot = next(&x, SCH_LAUNCH).slot;
    sch_slot_gone(x.sch, slot, true, x.now);
    assert_int_equal(next(&x, SCH_REFUSE).reason, SCH_LAUNCH_FAILED);
    nothing_more(&x);
    arrive(&x, &call);
    (void)next(&x, SCH_LAUNCH);
    end(&x);
}

static void
test_a_new_generation_retires_the_old_instances_when_they_can_go(void **state)
{
    struct fixture x;
    struct sch_slot *slots[2];
    struct sch_call call;

    (void)state;
    begin(&x, 0, 8, 10);
    warm(&x, slots, 2);
    arrive(&x, &call);
    (void)next(&x, SCH_DISPATCH);
    sch_function_change(x.sch, &x.f, &x.f.settings, 2, x.now);
    assert_ptr_equal(next(&x, SCH_RETIRE).slot, slots[0]);
    nothing_more(&x);
    sch_call_done(x.sch, &call, x.now);
    assert_ptr_equal(next(&x, SCH_RETIRE).slot, slots[1]);
    end(&x);
}

static void
test_a_removed_function_refuses_and_retires(void **state)
{
    struct fixture x;
    struct sch_slot *slots[1];
    struct sch_call calls[2];

    (void)state;
    begin(&x, 0, 1, 10);
    warm(&x, slots, 1);
    arrive(&x, &calls[0]);
    arrive(&x, &calls[1]);
    (void)next(&x, SCH_DISPATCH);
    sch_function_remove(x.sch, &x.f, x.now);
    assert_int_equal(next(&x, SCH_REFUSE).reason, SCH_REMOVED);
    assert_false(sch_function_empty(&x.f));
    sch_call_done(x.sch, &calls[0], x.now);
    assert_ptr_equal(next(&x, SCH_RETIRE).slot, slots[0]);
    sch_slot_gone(x.sch, slots[0], false, x.now);
    assert_true(sch_function_empty(&x.f));
    end(&x);
}

static void
test_recycle_calls_retires_after_so_many(void **state)
{
    struct fixture x;
    struct sch_slot *slots[1];
    struct sch_call call;

    (void)state;
    begin(&x, 0, 8, 10);
    x.f.settings.recycle_calls = 2;
    warm(&x, slots, 1);
    arrive(&x, &call);
    (void)next(&x, SCH_DISPATCH);
    sch_call_done(x.sch, &call, x.now);
    assert_ptr_equal(next(&x, SCH_RETIRE).slot, slots[0]);
    end(&x);
}

static void
test_a_call_whose_client_left_leaves_the_queue(void **state)
{
    struct fixture x;
    struct sch_slot *slots[1];
    struct sch_call calls[3];

    (void)state;
    begin(&x, 0, 1, 10);
    warm(&x, slots, 1);
    for (int i = 0; i < 3; i++)
        arrive(&x, &calls[i]);
    (void)next(&x, SCH_DISPATCH);
    sch_call_gone(x.sch, &calls[1], x.now);
    sch_call_done(x.sch, &calls[0], x.now);
    assert_ptr_equal(next(&x, SCH_DISPATCH).call, &calls[2]);
    end(&x);
}

/* ---- sending ahead ---- */

static void
arrive_short(struct fixture *x, struct sch_call *call)
{
    memset(call, 0, sizeof *call);
    call->stackable = true;
    sch_call_arrived(x->sch, &x->f, call, x->now);
}

static void
test_short_calls_go_behind_the_busy_instance_used_last(void **state)
{
    struct fixture x;
    struct sch_slot *slots[2];
    struct sch_call calls[10];

    (void)state;
    begin(&x, 0, 2, 100);
    warm(&x, slots, 2);
    for (int i = 0; i < 10; i++) {
        struct sch_action a;

        arrive_short(&x, &calls[i]);
        a = next(&x, SCH_DISPATCH);
        assert_ptr_equal(a.slot, slots[1]);
        assert_ptr_equal(a.call, &calls[i]);
    }
    assert_int_equal(slots[0]->state, SCH_SLOT_IDLE);
    for (int i = 0; i < 10; i++) {
        assert_ptr_equal(slots[1]->runs.head, &calls[i]);
        sch_call_done(x.sch, &calls[i], x.now);
    }
    assert_int_equal(slots[1]->state, SCH_SLOT_IDLE);
    end(&x);
}

static void
test_a_large_call_is_never_sent_ahead_nor_has_one_behind(void **state)
{
    struct fixture x;
    struct sch_slot *slots[2];
    struct sch_call large, other, small;

    (void)state;
    begin(&x, 0, 2, 100);
    warm(&x, slots, 2);
    arrive(&x, &large);
    assert_ptr_equal(next(&x, SCH_DISPATCH).slot, slots[1]);
    arrive_short(&x, &small);
    assert_ptr_equal(next(&x, SCH_DISPATCH).slot, slots[0]);
    arrive(&x, &other);
    nothing_more(&x);
    assert_int_equal(other.state, SCH_CALL_WAITING);
    end(&x);
}

/* A slow call must not delay a fast one that another instance could run. */
static void
test_calls_behind_a_slow_one_are_taken_back_for_another_instance(void **state)
{
    struct fixture x;
    struct sch_slot *slots[2];
    struct sch_call slow, fast[3];

    (void)state;
    begin(&x, 0, 2, 100);
    warm(&x, slots, 2);
    arrive_short(&x, &slow);
    (void)next(&x, SCH_DISPATCH);
    for (int i = 0; i < 3; i++) {
        arrive_short(&x, &fast[i]);
        assert_ptr_equal(next(&x, SCH_DISPATCH).slot, slots[1]);
    }
    assert_true(sch_wake_at(x.sch) <= x.now + SCH_OVERDUE_NS);
    x.now += SCH_OVERDUE_NS;
    sch_tick(x.sch, x.now);
    for (int i = 0; i < 3; i++)
        assert_ptr_equal(next(&x, SCH_RECALL).call, &fast[i]);
    sch_call_recalled(x.sch, &fast[0], x.now);
    assert_ptr_equal(next(&x, SCH_DISPATCH).slot, slots[0]);
    sch_call_recalled(x.sch, &fast[1], x.now);
    sch_call_recalled(x.sch, &fast[2], x.now);
    nothing_more(&x); /* no sending ahead for a while */
    sch_call_done(x.sch, &fast[0], x.now);
    assert_ptr_equal(next(&x, SCH_DISPATCH).call, &fast[1]);
    end(&x);
}

static void
test_calls_behind_one_that_dies_wait_again_in_order(void **state)
{
    struct fixture x;
    struct sch_slot *slots[1];
    struct sch_call calls[3];

    (void)state;
    begin(&x, 0, 1, 100);
    warm(&x, slots, 1);
    for (int i = 0; i < 3; i++) {
        arrive_short(&x, &calls[i]);
        (void)next(&x, SCH_DISPATCH);
        x.now++;
    }
    sch_call_lost(x.sch, &calls[0]);
    sch_slot_gone(x.sch, slots[0], false, x.now);
    slots[0] = next(&x, SCH_LAUNCH).slot;
    sch_slot_ready(x.sch, slots[0], x.now);
    assert_ptr_equal(next(&x, SCH_DISPATCH).call, &calls[1]);
    assert_ptr_equal(next(&x, SCH_DISPATCH).call, &calls[2]);
    end(&x);
}

/* ---- lanes ---- */

static void
arrive_in(struct fixture *x, struct sch_call *call, uint8_t lane)
{
    memset(call, 0, sizeof *call);
    call->lane = lane;
    call->stackable = true;
    sch_call_arrived(x->sch, &x->f, call, x->now);
}

static void
begin_lanes(struct fixture *x, struct sch_slot **slots, int n)
{
    begin(x, 0, 8, 100);
    sch_free(x->sch);
    x->sch = sch_new(&(struct sch_config){.cores = 4, .lanes = 2});
    warm(x, slots, n);
    x->f.service_ns = 1000;
}

static void
test_an_idle_instance_serves_any_lane_and_a_busy_one_its_own(void **state)
{
    struct fixture x;
    struct sch_call calls[3];
    struct sch_slot *slot;
    struct sch_action a;

    (void)state;
    begin_lanes(&x, &slot, 1);
    arrive_in(&x, &calls[0], 1);
    assert_int_equal(sch_lanes(x.sch), 2);
    assert_true(sch_next_action(x.sch, 1, &a));
    assert_ptr_equal(a.call, &calls[0]);
    assert_int_equal(slot->lane, 1);
    arrive_in(&x, &calls[1], 0);
    assert_int_equal(calls[1].state, SCH_CALL_WAITING);
    arrive_in(&x, &calls[2], 1);
    assert_int_equal(calls[2].state, SCH_CALL_WAITING); /* not before an earlier one */
    sch_call_done(x.sch, &calls[0], x.now);
    assert_ptr_equal(next(&x, SCH_DISPATCH).call, &calls[1]);
    assert_int_equal(slot->lane, 0);
    sch_call_done(x.sch, &calls[1], x.now);
    assert_true(sch_next_action(x.sch, 1, &a));
    assert_ptr_equal(a.call, &calls[2]);
    end(&x);
}

static void
test_an_instance_that_goes_to_a_lane_takes_its_other_calls_along(void **state)
{
    struct fixture x;
    struct sch_call first, calls[4];
    struct sch_slot *slot;
    struct sch_action a;

    (void)state;
    begin_lanes(&x, &slot, 1);
    arrive_in(&x, &first, 0);
    (void)next(&x, SCH_DISPATCH);
    for (int i = 0; i < 4; i++)
        arrive_in(&x, &calls[i], i % 2 == 0 ? 1 : 0);
    sch_call_done(x.sch, &first, x.now);
    for (int i = 0; i < 4; i += 2) {
        assert_true(sch_next_action(x.sch, 1, &a));
        assert_ptr_equal(a.call, &calls[i]);
    }
    assert_int_equal(x.f.waiting.count, 2);
    end(&x);
}

static void
test_lanes_that_keep_taking_an_instance_from_each_other_get_one_more(void **state)
{
    struct fixture x;
    struct sch_call calls[2];
    struct sch_slot *slot;
    struct sch_action a;

    (void)state;
    begin_lanes(&x, &slot, 1);
    arrive_in(&x, &calls[0], 0);
    for (int i = 0; i < 2 * SCH_HANDOVERS; i++) {
        struct sch_call *running = &calls[i % 2], *other = &calls[(i + 1) % 2];

        assert_true(sch_next_action(x.sch, running->lane, &a));
        arrive_in(&x, other, !running->lane);
        if (x.f.slots[SCH_SLOT_STARTING].count > 0)
            break;
        sch_call_done(x.sch, running, x.now);
    }
    assert_int_equal(next(&x, SCH_LAUNCH).slot->state, SCH_SLOT_STARTING);
    end(&x);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_call_launches_an_instance_and_runs_when_it_is_ready),
        cmocka_unit_test(test_warm_call_goes_to_the_instance_used_last),
        cmocka_unit_test(test_calls_wait_in_order_and_max_is_kept),
        cmocka_unit_test(test_a_full_queue_refuses),
        cmocka_unit_test(test_queue_0_still_starts_a_cold_function),
        cmocka_unit_test(test_a_wait_over_queue_timeout_refuses_at_that_time),
        cmocka_unit_test(test_idle_instances_beyond_min_end_after_idle_timeout),
        cmocka_unit_test(test_min_is_launched_without_a_call_and_after_a_death),
        cmocka_unit_test(test_an_instance_that_dies_is_replaced_for_those_who_wait),
        cmocka_unit_test(test_a_failed_start_refuses_those_who_wait_and_is_not_tried_for_nobody),
        cmocka_unit_test(test_a_new_generation_retires_the_old_instances_when_they_can_go),
        cmocka_unit_test(test_a_removed_function_refuses_and_retires),
        cmocka_unit_test(test_recycle_calls_retires_after_so_many),
        cmocka_unit_test(test_a_call_whose_client_left_leaves_the_queue),
        cmocka_unit_test(test_short_calls_go_behind_the_busy_instance_used_last),
        cmocka_unit_test(test_a_large_call_is_never_sent_ahead_nor_has_one_behind),
        cmocka_unit_test(test_calls_behind_a_slow_one_are_taken_back_for_another_instance),
        cmocka_unit_test(test_calls_behind_one_that_dies_wait_again_in_order),
        cmocka_unit_test(test_an_idle_instance_serves_any_lane_and_a_busy_one_its_own),
        cmocka_unit_test(test_an_instance_that_goes_to_a_lane_takes_its_other_calls_along),
        cmocka_unit_test(test_lanes_that_keep_taking_an_instance_from_each_other_get_one_more),
    };

    return RUN_TESTS("scheduler", tests, NULL, NULL);
}
