/* test_memory_use.c: the histogram of peaks, the advice from it, and the statistics behind. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "histogram.h"
#include "memory_use.h"
#include "run.h"
#include "statistics.h"

#define KB UINT64_C(1024)
#define MB (1024 * KB)

static double
random_share(uint64_t *seed)
{
    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (double)(*seed >> 11) / 9007199254740992.0;
}

static void
test_a_bucket_is_at_most_3_percent_wide(void **state)
{
    uint64_t seed = run_seed();

    (void)state;
    for (unsigned i = 1; i < HISTOGRAM_BUCKETS; i++) {
        assert_true(histogram_bound(i) > histogram_bound(i - 1));
        assert_true((double)histogram_bound(i) / (double)histogram_bound(i - 1) <= 1.03);
        assert_int_equal(histogram_bucket(histogram_bound(i)), i);
        assert_int_equal(histogram_bucket(histogram_bound(i - 1) + 1), i);
    }
    for (int i = 0; i < 100000; i++) {
        uint64_t bytes = (uint64_t)exp2(16 + 28 * random_share(&seed));
        uint64_t bound = histogram_bound(histogram_bucket(bytes));

        assert_true(bound >= bytes && (double)bound <= 1.03 * (double)bytes);
    }
    assert_int_equal(histogram_bucket(0), 0);
    assert_int_equal(histogram_bucket(UINT64_MAX), HISTOGRAM_BUCKETS - 1);
}

/* A function that once needed much must not be held to it for ever. */
static void
test_what_is_not_seen_any_more_fades(void **state)
{
    static struct histogram h;

    (void)state;
    for (int i = 0; i < 1000; i++)
        histogram_add(&h, 100 * MB, 1);
    for (int i = 0; i < 20 * HISTOGRAM_FULL; i++)
        histogram_add(&h, 5 * MB, 1);
    assert_int_equal(histogram_quantile(&h, 1), 5 * MB);
    histogram_add(&h, 7 * MB, 1);
    assert_int_equal(histogram_quantile(&h, 1), 7 * MB);
}

static int
ascending(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

static void
test_quantiles_are_those_of_the_sorted_sizes(void **state)
{
    static const double shares[] = {0.5, 0.95, 0.99, 0.999};
    static uint64_t sizes[5000];
    static struct histogram h;
    uint64_t seed = run_seed();

    (void)state;
    assert_int_equal(histogram_quantile(&h, 0.5), 0);
    for (size_t i = 0; i < 5000; i++) {
        sizes[i] = (uint64_t)exp2(18 + 8 * random_share(&seed));
        histogram_add(&h, sizes[i], 1);
    }
    qsort(sizes, 5000, sizeof sizes[0], ascending);
    for (size_t i = 0; i < 4; i++) {
        uint64_t exact = sizes[(size_t)ceil(shares[i] * 5000) - 1];
        uint64_t got = histogram_quantile(&h, shares[i]);

        assert_true(got >= exact && (double)got <= 1.03 * (double)exact);
    }
    assert_int_equal(histogram_quantile(&h, 0.9999), sizes[4999]);
    assert_int_equal(histogram_quantile(&h, 1), sizes[4999]);
}

static void
test_a_histogram_survives_a_restart_and_overflows_gently(void **state)
{
    static struct histogram h, again;
    json_t *json;

    (void)state;
    memset(&h, 0, sizeof h);
    for (int i = 0; i < 3; i++)
        histogram_add(&h, 5 * MB, UINT32_MAX);
    assert_true(h.total <= HISTOGRAM_FULL);
    histogram_add(&h, 9 * MB, 1);
    assert_int_equal(histogram_quantile(&h, 1), 9 * MB);
    json = histogram_json(&h);
    assert_true(histogram_from_json(&again, json));
    assert_memory_equal(&h, &again, sizeof h);
    json_decref(json);
    json = json_loads("{\"max\": 5, \"buckets\": [[99999, 1]]}", 0, NULL);
    assert_false(histogram_from_json(&again, json));
    assert_int_equal(again.total, 0);
    json_decref(json);
}

/* ---- advice ---- */

/* What a function needs in call i. */
typedef uint64_t (*need_fn)(int i, uint64_t *seed);

static uint64_t
need_7(int i, uint64_t *seed)
{
    (void)i, (void)seed;
    return 7 * MB;
}

static uint64_t
need_23(int i, uint64_t *seed)
{
    (void)i, (void)seed;
    return 23 * MB;
}

static uint64_t
need_mixture(int i, uint64_t *seed)
{
    double share = random_share(seed);

    if (i % 1000 == 400) /* 0.1 %, so that 500 calls have it */
        return 11 * MB;
    return share < 0.9 ? 2 * MB : 6 * MB;
}

static uint64_t
need_ramp(int i, uint64_t *seed)
{
    (void)seed;
    return 4 * MB + (uint64_t)i * 16 * KB;
}

static void
test_the_advice_lies_between_the_need_and_15_percent_more(void **state)
{
    static const need_fn needs[] = {need_7, need_23, need_mixture, need_ramp};
    const uint64_t overhead = 600 * KB;
    uint64_t seed = run_seed();

    (void)state;
    for (size_t k = 0; k < sizeof needs / sizeof needs[0]; k++) {
        struct memory_use *use = calloc(1, sizeof *use);
        struct memory_advice advice;
        uint64_t most = 0;

        assert_non_null(use);
        for (int i = 0; i < 500; i++) {
            uint64_t need = needs[k](i, &seed) + overhead;

            most = need > most ? need : most;
            memory_use_add(use, 1, 64 * MB, need, 1, 0, 1000 + i);
        }
        memory_advise(use, 64 * MB, &advice);
        assert_int_equal(advice.finding, MEMORY_OVER_PROVISIONED);
        assert_true(advice.memory >= most);
        assert_true((double)advice.memory <= 1.15 * (double)most);
        assert_true(advice.need >= most * 97 / 100 && advice.need <= most * 103 / 100);
        assert_string_equal(advice.confidence, "medium");
        assert_int_equal(advice.saves, (int64_t)(64 * MB) - (int64_t)advice.memory);
        memory_advise(use, advice.memory, &advice);
        assert_int_equal(advice.finding, MEMORY_OPTIMIZED);
        free(use);
    }
}

static void
test_there_is_no_advice_from_few_calls(void **state)
{
    struct memory_use *use = calloc(1, sizeof *use);
    struct memory_advice advice;

    (void)state;
    for (int i = 0; i < 19; i++)
        memory_use_add(use, 1, 64 * MB, MB, 1, 0, 1);
    memory_advise(use, 64 * MB, &advice);
    assert_int_equal(advice.finding, MEMORY_INSUFFICIENT_DATA);
    assert_int_equal(advice.memory, 0);
    memory_use_add(use, 1, 64 * MB, MB, 1, 0, 1);
    memory_advise(use, 64 * MB, &advice);
    assert_int_equal(advice.finding, MEMORY_OVER_PROVISIONED);
    assert_int_equal(advice.memory, 4 * MB); /* the least there is, and the reason says so */
    assert_non_null(strstr(advice.reason, "no limit can be below"));
    memory_use_add(use, 2, 64 * MB, MB, 1, 0, 1); /* another version */
    memory_advise(use, 64 * MB, &advice);
    assert_int_equal(advice.finding, MEMORY_INSUFFICIENT_DATA);
    free(use);
}

static void
test_after_a_death_the_need_is_unknown_until_calls_have_shown_it(void **state)
{
    struct memory_use *use = calloc(1, sizeof *use);
    struct memory_advice advice;

    (void)state;
    for (int i = 0; i < 100; i++)
        memory_use_add(use, 1, 64 * MB, 7 * MB, 1, 0, 1);
    memory_use_died(use, 1, 8 * MB);
    memory_advise(use, 8 * MB, &advice);
    assert_int_equal(advice.finding, MEMORY_UNDER_PROVISIONED);
    assert_int_equal(advice.memory, 16 * MB);
    memory_advise(use, 16 * MB, &advice);
    assert_true(advice.memory > 8 * MB && advice.memory < 16 * MB);
    for (int i = 0; i < 200; i++)
        memory_use_add(use, 1, 64 * MB, 5 * MB, 1, 0, 1);
    memory_advise(use, 16 * MB, &advice);
    assert_true(advice.memory < 9 * MB); /* down again: no ratchet */
    free(use);
}

/* 0.2 % of the calls need more than the limit: they die, and are never among the peaks. */
static void
test_rare_deaths_that_come_again_are_not_forgotten(void **state)
{
    struct memory_use *use = calloc(1, sizeof *use);
    struct memory_advice advice;

    (void)state;
    for (int i = 0; i < 4000; i++) {
        if (i % 500 == 250)
            memory_use_died(use, 1, 32 * MB);
        else
            memory_use_add(use, 1, 32 * MB, 7 * MB, 1, 0, 1);
    }
    memory_advise(use, 32 * MB, &advice);
    assert_int_equal(advice.finding, MEMORY_UNDER_PROVISIONED);
    assert_int_equal(advice.memory, 64 * MB);
    for (int i = 0; i < 300; i++) /* a larger limit shows what they need */
        memory_use_add(use, 1, 64 * MB, i % 100 == 0 ? 60 * MB : 7 * MB, 1, 0, 1);
    memory_advise(use, 64 * MB, &advice);
    assert_int_equal(advice.finding, MEMORY_OPTIMIZED);
    assert_true(advice.memory > 60 * MB);
    free(use);
}

/* One in 5,000 is within the 0.1 % that the advice leaves out. */
static void
test_deaths_in_less_than_a_thousandth_of_the_calls_are_left_out(void **state)
{
    struct memory_use *use = calloc(1, sizeof *use);
    struct memory_advice advice;

    (void)state;
    for (int i = 0; i < 20000; i++) {
        if (i % 5000 == 100)
            memory_use_died(use, 1, 32 * MB);
        memory_use_add(use, 1, 32 * MB, 7 * MB, 1, 0, 1);
    }
    memory_advise(use, 32 * MB, &advice);
    assert_int_equal(advice.finding, MEMORY_OVER_PROVISIONED);
    free(use);
}

static void
test_peaks_that_follow_the_body_are_found(void **state)
{
    struct memory_use *use = calloc(1, sizeof *use);
    struct memory_by_body by;
    uint64_t seed = run_seed();

    (void)state;
    for (int i = 0; i < 300; i++) {
        int64_t body = (int64_t)(random_share(&seed) * 4 * (double)MB);
        uint64_t noise = (uint64_t)(random_share(&seed) * 200 * (double)KB);

        memory_use_add(use, 1, 64 * MB, MB + 2 * (uint64_t)body + noise, 1, body, 1);
    }
    assert_true(memory_by_body(use, 32 * MB, &by));
    assert_true(by.correlation > 0.9);
    assert_true(by.per_byte > 1.9 && by.per_byte < 2.1);
    assert_true(by.base > 0.9 * (double)MB && by.base < 1.3 * (double)MB);
    assert_in_range(by.largest_body, 13 * MB, 16 * MB);
    for (int i = 0; i < 300; i++)
        memory_use_add(use, 1, 64 * MB, MB + (uint64_t)(random_share(&seed) * (double)MB), 1,
                       (int64_t)(random_share(&seed) * (double)MB), 1);
    assert_false(memory_by_body(use, 32 * MB, &by));
    free(use);
}

static void
test_what_is_kept_over_a_restart_gives_the_same_advice(void **state)
{
    struct memory_use *use = calloc(1, sizeof *use), *again = calloc(1, sizeof *again);
    struct memory_advice before, after;
    json_t *json;

    (void)state;
    for (int i = 0; i < 2000; i++)
        memory_use_add(use, 3, 64 * MB, 5 * MB + (uint64_t)(i % 7) * 100 * KB, 1, 0, 1000 + i);
    memory_use_fresh(use, 500 * KB);
    json = memory_use_json(use);
    assert_true(memory_use_from_json(again, json));
    json_decref(json);
    memory_advise(use, 64 * MB, &before);
    memory_advise(again, 64 * MB, &after);
    assert_int_equal(before.memory, after.memory);
    assert_string_equal(before.reason, after.reason);
    assert_string_equal(memory_use_source(again), "cgroup");
    assert_true(again->overhead == use->overhead && again->since_ms == use->since_ms);
    free(use);
    free(again);
}

static void
test_a_trend_is_found_in_noise_and_not_in_noise_alone(void **state)
{
    struct point points[STATISTICS_POINTS];
    struct trend trend;
    uint64_t seed = run_seed();
    int found = 0;

    (void)state;
    for (int i = 0; i < STATISTICS_POINTS; i++)
        points[i] = (struct point){i, 3.0 * i + 20 * random_share(&seed)};
    points[7].y = 1e9; /* one that is far off moves nothing */
    assert_true(statistics_trend(points, STATISTICS_POINTS, &trend));
    assert_true(trend.slope > 2.8 && trend.slope < 3.2 && trend.least > 2.7);
    for (int k = 0; k < 100; k++) {
        for (int i = 0; i < 64; i++)
            points[i] = (struct point){i, random_share(&seed)};
        assert_true(statistics_trend(points, 64, &trend));
        found += trend.least > 0;
    }
    assert_true(found <= 10); /* 2.5 of 100 are expected */
    assert_false(statistics_trend(points, 7, &trend));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_bucket_is_at_most_3_percent_wide),
        cmocka_unit_test(test_quantiles_are_those_of_the_sorted_sizes),
        cmocka_unit_test(test_what_is_not_seen_any_more_fades),
        cmocka_unit_test(test_a_histogram_survives_a_restart_and_overflows_gently),
        cmocka_unit_test(test_the_advice_lies_between_the_need_and_15_percent_more),
        cmocka_unit_test(test_there_is_no_advice_from_few_calls),
        cmocka_unit_test(test_after_a_death_the_need_is_unknown_until_calls_have_shown_it),
        cmocka_unit_test(test_rare_deaths_that_come_again_are_not_forgotten),
        cmocka_unit_test(test_deaths_in_less_than_a_thousandth_of_the_calls_are_left_out),
        cmocka_unit_test(test_peaks_that_follow_the_body_are_found),
        cmocka_unit_test(test_what_is_kept_over_a_restart_gives_the_same_advice),
        cmocka_unit_test(test_a_trend_is_found_in_noise_and_not_in_noise_alone),
    };

    return RUN_TESTS("memory_use", tests, NULL, NULL);
}
