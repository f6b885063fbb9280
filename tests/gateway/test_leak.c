/* test_leak.c: memory that grows from call to call: a leak, a cache, or nothing. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "leak.h"
#include "run.h"

#define KB 1024.0

static double
random_share(uint64_t *seed)
{
    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (double)(*seed >> 11) / 9007199254740992.0;
}

/* Bytes in use after call i. */
typedef double (*course)(int i, uint64_t *seed);

static double
leak_1k(int i, uint64_t *seed)
{
    return 30 * KB + KB * i + 0 * random_share(seed);
}

static double
leak_with_noise(int i, uint64_t *seed)
{
    return 30 * KB + KB * i + 4 * KB * random_share(seed);
}

/* Every second call or so keeps twice as much. */
static double
leak_now_and_then(int i, uint64_t *seed)
{
    static double kept;

    kept = i == 1 ? 0 : kept;
    kept += random_share(seed) < 0.5 ? 2 * KB : 0;
    return 30 * KB + kept;
}

static double
level(int i, uint64_t *seed)
{
    (void)i;
    return 100 * KB + 30 * KB * random_share(seed);
}

/* Fills at once. */
static double
cache_of_200(int i, uint64_t *seed)
{
    (void)seed;
    return 4 * KB * (i < 200 ? i : 200);
}

/* 1,000 keys of 4 KiB, asked for at random. */
static double
cache_at_random(int i, uint64_t *seed)
{
    static bool has[1000];
    static double kept;
    int key = (int)(random_share(seed) * 1000);

    if (i == 1) {
        memset(has, 0, sizeof has);
        kept = 0;
    }
    kept += has[key] ? 0 : 4 * KB;
    has[key] = true;
    return kept;
}

/* Grows for 50 calls, then drops all. */
static double
sawtooth(int i, uint64_t *seed)
{
    (void)seed;
    return KB * (i % 50);
}

static const struct {
    const char *name;
    course course;
    double wanted; /* bytes per call; 0: it is no leak */
} rows[] = {
    {"1 KiB a call", leak_1k, KB},
    {"1 KiB a call in noise", leak_with_noise, KB},
    {"1 KiB a call on average", leak_now_and_then, KB},
    {"level", level, 0},
    {"a cache of 200", cache_of_200, 0},
    {"a cache, at random", cache_at_random, 0},
    {"a sawtooth", sawtooth, 0},
};

static void
test_leaks_are_found_and_caches_are_not_accused(void **state)
{
    uint64_t seed = run_seed();

    (void)state;
    for (size_t k = 0; k < sizeof rows / sizeof rows[0]; k++) {
        static struct leak_series series;

        memset(&series, 0, sizeof series);
        for (int i = 1; i <= 100000; i++) {
            double bytes = rows[k].course(i, &seed);
            struct leak leak;

            if (!leak_series_wants(&series, (uint64_t)i))
                continue;
            leak_series_add(&series, (uint64_t)i, (uint64_t)bytes, 5000000);
            if (i > 2000 && i % 5000 != 0)
                continue; /* look often at first, then now and then */
            leak = leak_find(&series);
            if (i < LEAK_CALLS)
                assert_int_equal(leak.verdict, LEAK_UNKNOWN);
            else if (rows[k].wanted == 0 && leak.verdict == LEAK_SUSPECTED)
                fail_msg("%s: accused after %d calls of %.1f bytes a call", rows[k].name, i,
                         leak.bytes_per_call);
        }
    }
}

static void
test_a_leak_is_found_within_500_calls(void **state)
{
    uint64_t seed = run_seed();

    (void)state;
    for (size_t k = 0; k < 2; k++) {
        static struct leak_series series;
        struct leak leak;

        memset(&series, 0, sizeof series);
        for (int i = 1; i <= 500; i++)
            leak_series_add(&series, (uint64_t)i, (uint64_t)rows[k].course(i, &seed), 5000000);
        leak = leak_find(&series);
        assert_int_equal(leak.verdict, LEAK_SUSPECTED);
        assert_string_equal(leak.source, "worker");
        if (fabs(leak.bytes_per_call - rows[k].wanted) > 0.2 * rows[k].wanted)
            fail_msg("%s: %.1f bytes a call", rows[k].name, leak.bytes_per_call);
    }
}

/* In the end every leak is found, also one that comes now and then. */
static void
test_a_leak_is_not_lost_in_a_long_life(void **state)
{
    uint64_t seed = run_seed();

    (void)state;
    for (size_t k = 0; k < 3; k++) {
        static struct leak_series series;
        struct leak leak;

        memset(&series, 0, sizeof series);
        for (int i = 1; i <= 200000; i++)
            leak_series_add(&series, (uint64_t)i, (uint64_t)rows[k].course(i, &seed), 5000000);
        leak = leak_find(&series);
        assert_int_equal(leak.verdict, LEAK_SUSPECTED);
        assert_true(fabs(leak.bytes_per_call - rows[k].wanted) < 0.2 * rows[k].wanted);
    }
}

/* A worker that notes nothing, or nonsense, hides only its heap. */
static void
test_a_large_leak_shows_in_the_kernel_s_figures(void **state)
{
    static struct leak_series series;
    uint64_t seed = run_seed();
    struct leak leak;

    (void)state;
    for (int i = 1; i <= 2000; i++)
        leak_series_add(&series, (uint64_t)i, 0,
                        (uint64_t)(1e6 + 20 * KB * i + 500 * KB * random_share(&seed)));
    leak = leak_find(&series);
    assert_int_equal(leak.verdict, LEAK_SUSPECTED);
    assert_string_equal(leak.source, "cgroup");
    assert_true(fabs(leak.bytes_per_call - 20 * KB) < 4 * KB);
    leak_series_add(&series, 5, UINT64_MAX, UINT64_MAX); /* from the past: ignored */
    assert_true(series.heap[series.count - 1].y == 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_leaks_are_found_and_caches_are_not_accused),
        cmocka_unit_test(test_a_leak_is_found_within_500_calls),
        cmocka_unit_test(test_a_leak_is_not_lost_in_a_long_life),
        cmocka_unit_test(test_a_large_leak_shows_in_the_kernel_s_figures),
    };

    return RUN_TESTS("leak", tests, NULL, NULL);
}
