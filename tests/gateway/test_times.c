/* test_times.c: times in buckets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "run.h"
#include "times.h"

#define MS INT64_C(1000000)
#define S  (1000 * MS)

static void
test_times_bucket_is_the_first_whose_bound_is_not_less(void **state)
{
    (void)state;
    for (unsigned b = 0; b + 1 < TIMES_BUCKETS; b++) {
        assert_int_equal(times_bucket(times_bound(b)), b);
        assert_int_equal(times_bucket(times_bound(b) + 1), b + 1);
        assert_int_equal(times_bucket(times_bound(b) - 1), b);
        assert_true(b == 0 || times_bound(b) > times_bound(b - 1));
        assert_true(b == 0 || (double)times_bound(b) / (double)times_bound(b - 1) < 1.29);
    }
    assert_int_equal(times_bound(0), 10000);
    assert_int_equal(times_bound(TIMES_BUCKETS - 2), 100 * S);
    assert_int_equal(times_bucket(0), 0);
    assert_int_equal(times_bucket(-1), 0);
    assert_int_equal(times_bucket(INT64_MAX), TIMES_BUCKETS - 1);
}

/* Every bit length begins at a bucket that is not too late, and not many too early. */
static void
test_times_bucket_for_each_power_of_two(void **state)
{
    (void)state;
    for (int bits = 0; bits < 63; bits++)
        for (int64_t ns = INT64_C(1) << bits, i = -1; i <= 1; i++) {
            unsigned b = times_bucket(ns + i);

            assert_true(times_bound(b) >= ns + i);
            assert_true(b == 0 || times_bound(b - 1) < ns + i);
        }
}

static void
test_recent_times_are_those_of_the_last_windows(void **state)
{
    struct recent_times t = {0};
    int64_t now = 5 * TIMES_WINDOW_NS;

    (void)state;
    assert_true(recent_times_quantile(&t, 0.5, now) < 0);
    for (int i = 0; i < 90; i++)
        recent_times_add(&t, 2 * MS, now);
    for (int i = 0; i < 10; i++)
        recent_times_add(&t, 300 * MS, now);
    assert_true(recent_times_quantile(&t, 0.5, now) > 1.5e6);
    assert_true(recent_times_quantile(&t, 0.5, now) <= 2.1e6);
    assert_true(recent_times_quantile(&t, 0.99, now) > 250e6);
    assert_true(recent_times_quantile(&t, 0.99, now) < 320e6);
    recent_times_add(&t, 40 * MS, now + TIMES_WINDOW_NS);
    assert_true(recent_times_quantile(&t, 0.5, now + TIMES_WINDOW_NS) < 2.1e6);
    assert_true(recent_times_quantile(&t, 0.5, now + 2 * TIMES_WINDOW_NS) > 30e6);
    assert_true(recent_times_quantile(&t, 0.5, now + 3 * TIMES_WINDOW_NS) < 0);
    recent_times_add(&t, 5 * S, now + 9 * TIMES_WINDOW_NS);
    assert_true(recent_times_quantile(&t, 0.1, now + 9 * TIMES_WINDOW_NS) > 4e9);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_times_bucket_is_the_first_whose_bound_is_not_less),
        cmocka_unit_test(test_times_bucket_for_each_power_of_two),
        cmocka_unit_test(test_recent_times_are_those_of_the_last_windows),
    };

    return RUN_TESTS("times", tests, NULL, NULL);
}
