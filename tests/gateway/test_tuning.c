/* test_tuning.c: which limit follows from calls under several. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "run.h"
#include "tuning.h"

#define MB (INT64_C(1) << 20)

/* A step whose calls all take `ms`, but for the first one. */
static struct tuning_step
step(int64_t memory, double ms, int64_t peak, const char *why)
{
    struct tuning_step s = {
        .memory = memory, .success = why == NULL, .why = why, .calls = 5, .peak = peak};

    s.run_ms[0] = 100 * ms;
    for (int i = 1; i < 5; i++)
        s.run_ms[i] = ms;
    return s;
}

static void
test_a_step_ends_when_its_times_agree(void **state)
{
    struct tuning_step s = step(16 * MB, 10, MB, NULL);

    (void)state;
    assert_true(tuning_is_settled(&s, 1));
    assert_false(tuning_is_settled(&s, 6)); /* each payload once */
    s.run_ms[3] = 12;
    assert_false(tuning_is_settled(&s, 1));
    for (int i = 5; i < 8; i++)
        s.run_ms[i] = 10;
    s.calls = 8;
    assert_true(tuning_is_settled(&s, 1)); /* enough, if they do not agree */
    s.calls = 3;
    assert_false(tuning_is_settled(&s, 1));
    assert_true(tuning_quantile(&s, 0.5) == 10 && tuning_quantile(&s, 0.99) == 10);
    s.calls = 0;
    assert_true(tuning_quantile(&s, 0.5) == 0);
}

static void
test_the_picks_are_those_of_the_power_tuners(void **state)
{
    /* more memory helps up to 64 MiB */
    const struct tuning_step steps[] = {
        step(128 * MB, 10, 9 * MB, NULL),      step(64 * MB, 10.2, 8 * MB + 9000, NULL),
        step(32 * MB, 15, 8 * MB, NULL),       step(16 * MB, 40, 9 * MB, NULL),
        step(8 * MB, 0, 0, "memory_exceeded"),
    };
    struct tuning_picks picks;

    (void)state;
    assert_true(tuning_pick(steps, 5, 0.5, &picks));
    assert_int_equal(picks.need, 8 * MB);
    assert_int_equal(picks.works, 16 * MB);
    assert_int_equal(picks.fails, 8 * MB);
    assert_int_equal(picks.knee, 64 * MB);
    assert_int_equal(picks.speed, 128 * MB);
    assert_int_equal(picks.cost, 32 * MB);     /* 480 to 640 */
    assert_int_equal(picks.balanced, 32 * MB); /* .5 * 480/1280 + .5 * 15/40 */
    assert_true(tuning_pick(steps, 5, 0, &picks));
    assert_int_equal(picks.balanced, picks.speed);
    assert_true(tuning_pick(steps, 5, 1, &picks));
    assert_int_equal(picks.balanced, picks.cost);
    assert_false(tuning_pick(steps + 4, 1, 0.5, &picks));
    assert_int_equal(picks.fails, 8 * MB);
    assert_int_equal(picks.need, 0);
}

static void
test_a_failure_that_is_not_for_memory_brackets_nothing(void **state)
{
    const struct tuning_step steps[] = {step(64 * MB, 0, 0, "function_failed")};
    struct tuning_picks picks;

    (void)state;
    assert_false(tuning_pick(steps, 1, 0.5, &picks));
    assert_int_equal(picks.fails, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_step_ends_when_its_times_agree),
        cmocka_unit_test(test_the_picks_are_those_of_the_power_tuners),
        cmocka_unit_test(test_a_failure_that_is_not_for_memory_brackets_nothing),
    };

    return RUN_TESTS("tuning", tests, NULL, NULL);
}
