/* run.h: shared by the cmocka programs: selecting cases, and seeds. HEARTH_TEST in the environment
 * is a pattern with * and ? that selects cases by name; the default is all of them. cmocka 1.1 has
 * such a filter, but nothing sets it.
 */
#ifndef TESTS_RUN_H
#define TESTS_RUN_H

#include <fnmatch.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

/* Returns false if the pattern matches no case, so that a misspelt pattern does not pass. */
static inline bool
run_select(const struct CMUnitTest *tests, size_t n)
{
    const char *pattern = getenv("HEARTH_TEST");

    if (pattern == NULL)
        return true;
    cmocka_set_test_filter(pattern);
    for (size_t i = 0; i < n; i++)
        if (fnmatch(pattern, tests[i].name, 0) == 0)
            return true;
    (void)fprintf(stderr, "HEARTH_TEST=%s selects none of:\n", pattern);
    for (size_t i = 0; i < n; i++)
        (void)fprintf(stderr, "  %s\n", tests[i].name);
    return false;
}

/* The seed of a randomized test: HEARTH_SEED, or a new one. It is printed as a TAP comment. */
static inline uint64_t
run_seed(void)
{
    const char *given = getenv("HEARTH_SEED");
    struct timespec now;
    uint64_t seed;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    seed = given != NULL ? strtoull(given, NULL, 10)
                         : (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
    print_message("# HEARTH_SEED=%llu\n", (unsigned long long)seed);
    return seed;
}

/* Runs the cases of the array `tests`. Returns the exit status for main. */
#define RUN_TESTS(name, tests, setup, teardown)                                                    \
    (run_select(tests, sizeof(tests) / sizeof((tests)[0]))                                         \
         ? cmocka_run_group_tests_name(name, tests, setup, teardown)                               \
         : EXIT_FAILURE)

#endif
