/* test_common.c: sizes, times, names, the error record. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>

#include "err.h"
#include "name.h"
#include "run.h"
#include "units.h"

static void
test_sizes_are_parsed_with_their_unit(void **state)
{
    int64_t n = -1;

    (void)state;
    assert_int_equal(units_parse_size("0", &n), 0);
    assert_int_equal(n, 0);
    assert_int_equal(units_parse_size("512K", &n), 0);
    assert_int_equal(n, 512 * 1024);
    assert_int_equal(units_parse_size("64M", &n), 0);
    assert_int_equal(n, 64 << 20);
    assert_int_equal(units_parse_size("1G", &n), 0);
    assert_int_equal(n, 1 << 30);
}

static void
test_sizes_that_are_none_are_refused_and_write_nothing(void **state)
{
    static const char *const bad[] = {"", "M", "-1", "1.5G", "64MB ", " 1", "0x10", "1T"};
    int64_t n = 77;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(units_parse_size(bad[i], &n), -EINVAL);
    assert_int_equal(units_parse_size("9223372036854775808", &n), -ERANGE);
    assert_int_equal(units_parse_size("9999999999G", &n), -ERANGE);
    assert_int_equal(n, 77);
}

static void
test_times_are_milliseconds(void **state)
{
    /* no unit, fractions of a millisecond, and texts that are not numbers */
    static const char *const bad[] = {"5",     "1000", "5x",    "s",     "",     "1.5", "1.0005s",
                                      "1.5ms", ".5s",  "1.s",   "1..5s", "-1s",  "+1s", " 1s",
                                      "1s ",   "1e3s", "0x10s", "0.0",   "1.5.s"};
    int64_t n;

    (void)state;
    assert_int_equal(units_parse_time("250ms", &n), 0);
    assert_int_equal(n, 250);
    assert_int_equal(units_parse_time("5s", &n), 0);
    assert_int_equal(n, 5000);
    assert_int_equal(units_parse_time("2m", &n), 0);
    assert_int_equal(n, 120000);
    assert_int_equal(units_parse_time("1.5s", &n), 0);
    assert_int_equal(n, 1500);
    assert_int_equal(units_parse_time("0.25m", &n), 0);
    assert_int_equal(n, 15000);
    assert_int_equal(units_parse_time("1.500s", &n), 0);
    assert_int_equal(n, 1500);
    assert_int_equal(units_parse_time("0", &n), 0);
    assert_int_equal(n, 0);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (units_parse_time(bad[i], &n) != -EINVAL)
            fail_msg("\"%s\" was accepted as a time", bad[i]);
    assert_int_equal(units_parse_time("9223372036854775807h", &n), -ERANGE);
    assert_int_equal(units_parse_time("0.99999999999999999999s", &n), -ERANGE);
    assert_int_equal(units_parse_time("5x", &n), -EINVAL);
}

static void
test_sizes_are_written_in_their_shortest_exact_form(void **state)
{
    char buf[32];

    (void)state;
    assert_string_equal(units_format_size(64 << 20, buf, sizeof buf), "64M");
    assert_string_equal(units_format_size(1536, buf, sizeof buf), "1536B");
    assert_string_equal(units_format_size(0, buf, sizeof buf), "0");
}

static void
test_function_names_follow_the_contract(void **state)
{
    char long_name[65];

    (void)state;
    memset(long_name, 'a', sizeof long_name);
    assert_true(name_function_ok("a", 1));
    assert_true(name_function_ok("a-1", 3));
    assert_true(name_function_ok("0", 1));
    assert_true(name_function_ok(long_name, 63));
    assert_false(name_function_ok(long_name, 64));
    assert_false(name_function_ok("", 0));
    assert_false(name_function_ok("-a", 2));
    assert_false(name_function_ok("a-", 2));
    assert_false(name_function_ok("A", 1));
    assert_false(name_function_ok("a.b", 3));
    assert_false(name_function_ok("a/b", 3));
    assert_false(name_function_ok("a\0b", 3));
}

static void
test_library_names_cannot_be_options_or_paths(void **state)
{
    (void)state;
    assert_true(name_lib_ok("m", 1));
    assert_true(name_lib_ok("sqlite3", 7));
    assert_true(name_lib_ok("stdc++", 6));
    assert_false(name_lib_ok("-Wl", 3));
    assert_false(name_lib_ok("../x", 4));
    assert_false(name_lib_ok("a/b", 3));
    assert_false(name_lib_ok("a b", 3));
    assert_false(name_lib_ok("", 0));
}

static void
test_an_error_carries_its_number_and_its_sentence(void **state)
{
    struct hearth_err err = {0};

    (void)state;
    assert_int_equal(err_set(&err, ENOENT, "open %s", "x"), -ENOENT);
    assert_int_equal(err.code, -ENOENT);
    assert_string_equal(err.text, "open x: No such file or directory");
    assert_int_equal(err_prefix(&err, "start"), -ENOENT);
    assert_string_equal(err.text, "start: open x: No such file or directory");
    assert_int_equal(err_set(NULL, EIO, "nobody listens"), -EIO);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes_are_parsed_with_their_unit),
        cmocka_unit_test(test_sizes_that_are_none_are_refused_and_write_nothing),
        cmocka_unit_test(test_times_are_milliseconds),
        cmocka_unit_test(test_sizes_are_written_in_their_shortest_exact_form),
        cmocka_unit_test(test_function_names_follow_the_contract),
        cmocka_unit_test(test_library_names_cannot_be_options_or_paths),
        cmocka_unit_test(test_an_error_carries_its_number_and_its_sentence),
    };

    return RUN_TESTS("common", tests, NULL, NULL);
}
