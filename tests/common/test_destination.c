/* test_destination.c: what the setting network may name, and the form in which it is kept. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "destination.h"
#include "run.h"

static void
test_each_form_is_kept_in_its_usual_one(void **state)
{
    static const char *const rows[][2] = {
        {"db.example:5432", "db.example:5432"},
        {"DB.Example.:5432", "db.example:5432"},
        {"localhost:1", "localhost:1"},
        {"a_b-c.1x:65535", "a_b-c.1x:65535"},
        {"192.0.2.7:80", "192.0.2.7:80"},
        {"[2001:DB8::7]:80", "[2001:db8::7]:80"},
        {"[::ffff:192.0.2.7]:80", "192.0.2.7:80"},
        {"unix:/run/x.sock", "unix:/run/x.sock"},
        {"unix:/var/run/postgresql/.s.PGSQL.5432", "unix:/run/postgresql/.s.PGSQL.5432"},
        {"unix:/var/running/x", "unix:/var/running/x"},
        {"unix:/a/..b/c..", "unix:/a/..b/c.."},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct destination d, again;
        char text[DESTINATION_TEXT];

        if (destination_parse(rows[i][0], strlen(rows[i][0]), &d) < 0)
            fail_msg("%s", rows[i][0]);
        destination_format(&d, text);
        assert_string_equal(text, rows[i][1]);
        assert_int_equal(destination_parse(text, strlen(text), &again), 0);
        assert_memory_equal(&again, &d, sizeof d);
    }
}

static void
test_what_is_no_destination_is_refused(void **state)
{
    static const char *const rows[] = {
        "",           "host",      "host:",      "host:0",       "host:65536",   "host:1x",
        "host: 1",    ":80",       "1.2:80",     "1.2.3.4",      "256.1.1.1:80", "::1:80",
        "[::1]",      "[]:80",     "[host]:80",  "[1.2.3.4]:80", "a..b:80",      ".a:80",
        "-a:80",      "a b:80",    "a/b:80",     "http://a:80",  "\xc3\xa9:80",  "unix:",
        "unix:a",     "unix:/",    "unix:/a/",   "unix:/a/../b", "unix:/./a",    "unix:/a//b",
        "unix:/a\nb", "unix:/a/.", "unix:/a/..", "unix:/a,b",    "unix:@a",
    };
    char longest[DESTINATION_PATH + 20] = "unix:/";
    struct destination d;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (destination_parse(rows[i], strlen(rows[i]), &d) == 0)
            fail_msg("\"%s\" was taken", rows[i]);
    memset(longest + 6, 'x', DESTINATION_PATH - 2); /* "/x…": as long as the kernel takes, ended */
    assert_int_equal(destination_parse(longest, 5 + DESTINATION_PATH - 1, &d), 0);
    assert_true(destination_parse(longest, 5 + DESTINATION_PATH, &d) < 0);
}

static void
test_a_list_is_read_one_by_one(void **state)
{
    const char *list = "a:1,unix:/b,[::1]:3", *none = "";
    struct destination d;

    (void)state;
    assert_true(destination_next(&list, &d));
    assert_int_equal(d.kind, DESTINATION_NAME);
    assert_true(destination_next(&list, &d));
    assert_string_equal(d.path, "/b");
    assert_true(destination_next(&list, &d));
    assert_int_equal(d.port, 3);
    assert_false(destination_next(&list, &d));
    assert_false(destination_next(&none, &d));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_form_is_kept_in_its_usual_one),
        cmocka_unit_test(test_what_is_no_destination_is_refused),
        cmocka_unit_test(test_a_list_is_read_one_by_one),
    };

    return RUN_TESTS("destination", tests, NULL, NULL);
}
