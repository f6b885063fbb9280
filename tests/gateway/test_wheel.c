/* test_wheel.c: the timing wheel, with a simulated clock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <time.h>

#include "run.h"
#include "wheel.h"

static int fired;

static void
on_fire(struct gw_timer *timer)
{
    (void)timer;
    fired++;
}

static void
test_a_timer_fires_once_never_early_and_at_most_a_tick_late(void **state)
{
    struct gw_wheel wheel;
    struct gw_timer timer = {0};

    (void)state;
    for (int64_t due = 1; due < 12000; due += 37) {
        gw_wheel_init(&wheel, 1000);
        gw_wheel_set(&wheel, &timer, 1000 + due, on_fire);
        fired = 0;
        gw_wheel_run(&wheel, 1000 + due - 1);
        assert_int_equal(fired, 0);
        gw_wheel_run(&wheel, 1000 + due + 2 * GW_WHEEL_TICK_MS);
        assert_int_equal(fired, 1);
        gw_wheel_run(&wheel, 1000 + 5 * due + 10000);
        assert_int_equal(fired, 1);
        assert_int_equal(wheel.armed, 0);
    }
}

static void
test_an_unset_timer_does_not_fire_and_a_set_one_moves(void **state)
{
    struct gw_wheel wheel;
    struct gw_timer a = {0}, b = {0};

    (void)state;
    gw_wheel_init(&wheel, 0);
    fired = 0;
    gw_wheel_set(&wheel, &a, 50, on_fire);
    gw_wheel_set(&wheel, &b, 50, on_fire);
    gw_wheel_unset(&wheel, &a);
    gw_wheel_unset(&wheel, &a);
    gw_wheel_set(&wheel, &b, 500, on_fire);
    gw_wheel_run(&wheel, 400);
    assert_int_equal(fired, 0);
    gw_wheel_run(&wheel, 600);
    assert_int_equal(fired, 1);
}

static struct gw_wheel shared;
static struct gw_timer other;

static void
on_fire_and_unset_the_other(struct gw_timer *timer)
{
    (void)timer;
    fired++;
    gw_wheel_unset(&shared, &other);
}

static void
test_a_callback_may_unset_a_timer_that_is_due_with_it(void **state)
{
    struct gw_timer first = {0};

    (void)state;
    gw_wheel_init(&shared, 0);
    fired = 0;
    gw_wheel_set(&shared, &first, 10, on_fire_and_unset_the_other);
    gw_wheel_set(&shared, &other, 10, on_fire);
    gw_wheel_run(&shared, 100);
    assert_int_equal(fired, 1);
    assert_int_equal(shared.armed, 0);
}

static void
test_many_random_timers_all_fire_after_a_long_pause(void **state)
{
    static struct gw_timer timers[1000];
    struct gw_wheel wheel;
    unsigned seed = (unsigned)run_seed();

    (void)state;
    gw_wheel_init(&wheel, 0);
    fired = 0;
    for (int i = 0; i < 1000; i++)
        gw_wheel_set(&wheel, &timers[i], rand_r(&seed) % 100000, on_fire);
    for (int64_t now = 0; now <= 100000 + 2 * GW_WHEEL_TICK_MS; now += 1 + rand_r(&seed) % 9000)
        gw_wheel_run(&wheel, now);
    gw_wheel_run(&wheel, 200000);
    assert_int_equal(fired, 1000);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_timer_fires_once_never_early_and_at_most_a_tick_late),
        cmocka_unit_test(test_an_unset_timer_does_not_fire_and_a_set_one_moves),
        cmocka_unit_test(test_a_callback_may_unset_a_timer_that_is_due_with_it),
        cmocka_unit_test(test_many_random_timers_all_fire_after_a_long_pause),
    };

    return RUN_TESTS("wheel", tests, NULL, NULL);
}
