/* test_shortage.c: whether the kernel's texts say that the host is short of memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "launcher/shortage.h"
#include "run.h"

#define PRESSURE(some)                                                                             \
    "some avg10=" some " avg60=9.00 avg300=9.00 total=83245\n"                                     \
    "full avg10=90.00 avg60=9.00 avg300=9.00 total=41234\n"
#define MEMINFO(available)                                                                         \
    "MemTotal:       24000000 kB\nMemFree:          200000 kB\nMemAvailable:   " available         \
    " kB\nBuffers:            1000 kB\n"

static void
test_pressure_or_little_memory_is_a_shortage(void **state)
{
    static const struct {
        const char *pressure, *meminfo;
        bool shows;
    } rows[] = {
        {PRESSURE("0.00"), MEMINFO("20000000"), false},
        {PRESSURE("4.99"), MEMINFO("20000000"), false},
        {PRESSURE("5.00"), MEMINFO("20000000"), true},
        {PRESSURE("61.20"), MEMINFO("20000000"), true},
        {PRESSURE("0.00"), MEMINFO("2399999"), true},
        {PRESSURE("0.00"), MEMINFO("2400001"), false},
        {"", MEMINFO("20000000"), false}, /* no PSI in this kernel */
        {"", MEMINFO("100"), true},
        {"", "", false}, /* nothing can be read: nothing is claimed */
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (shortage_shows(rows[i].pressure, rows[i].meminfo) != rows[i].shows)
            fail_msg("row %zu", i);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pressure_or_little_memory_is_a_shortage),
    };

    return RUN_TESTS("shortage", tests, NULL, NULL);
}
