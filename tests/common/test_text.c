/* test_text.c: making text printable. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "run.h"
#include "text.h"

static void
expect(const char *given, const char *shown, bool keep_tabs)
{
    char text[256];

    (void)strcpy(text, given);
    text_printable(text, keep_tabs);
    assert_string_equal(text, shown);
}

static void
test_text_printable_leaves_what_is_utf_8(void **state)
{
    static const char *const texts[] = {"",
                                        "plain ~",
                                        "…",
                                        "naïve, Ελλάδα, 日本",
                                        "\xf0\x9f\x94\xa5",
                                        "\xc2\xa0",
                                        "\xef\xbf\xbd",
                                        "\xf4\x8f\xbf\xbf"};

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        expect(texts[i], texts[i], false);
}

static void
test_text_printable_replaces_control_characters(void **state)
{
    (void)state;
    expect("a\tb\nc\x1b[2J\x7f", "a?b?c?[2J?", false);
    expect("a\tb\nc", "a\tb?c", true);
    expect("\xc2\x9b"
           "2J",
           "??2J", false); /* CSI as a single character */
}

static void
test_text_printable_replaces_what_is_no_utf_8(void **state)
{
    (void)state;
    expect("\x80", "?", false);
    expect("a\xff"
           "b",
           "a?b", false);
    expect("\xc0\xaf", "??", false);           /* overlong '/' */
    expect("\xe0\x80\xaf", "???", false);      /* the same with three bytes */
    expect("\xed\xa0\x80", "???", false);      /* one half of a surrogate pair */
    expect("\xf4\x90\x80\x80", "????", false); /* above U+10FFFF */
    expect("\xe2\x80", "??", false);           /* truncated */
    expect("\xe2\x80"
           "a…",
           "??a…", false);
}

static void
test_text_printable_bytes_takes_a_nul_for_a_byte(void **state)
{
    char bytes[] = "a\0b\n";

    (void)state;
    text_printable_bytes(bytes, 4, false);
    assert_memory_equal(bytes, "a?b?", 4);
}

static void
test_times_are_read_as_they_are_written(void **state)
{
    static const struct {
        const char *text;
        int64_t ms;
    } rows[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"1970-01-01T00:00:01.5Z", 1500},
        {"1970-01-01T00:00:01.123456Z", 1123},
        {"2026-11-27T19:24:24.445Z", INT64_C(1795807464445)},
        {"2026-11-27T21:24:24.445+02:00", INT64_C(1795807464445)},
        {"2026-11-27T13:54:24.445-05:30", INT64_C(1795807464445)},
    };
    static const char *const none[] = {"",
                                       "2026",
                                       "2026-11-27",
                                       "2026-11-27T19:24:24",
                                       "2026-11-27T19:24:24+2:00",
                                       "2026-11-27T19:24:24+25:00",
                                       "2026-11-27T19:24:24Zx",
                                       "2026-13-27T19:24:24Z"};
    char text[TEXT_TIME];
    int64_t ms;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_true(text_time_parse(rows[i].text, &ms));
        assert_int_equal(ms, rows[i].ms);
    }
    assert_string_equal(text_time(rows[3].ms, text), rows[3].text);
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++)
        assert_false(text_time_parse(none[i], &ms));
}

static void
test_nearest_name_is_one_or_two_letters_away(void **state)
{
    static const char *const names[] = {"memory", "memory_min", "timeout", "min", "max", NULL};

    (void)state;
    assert_string_equal(text_nearest("memroy", names), "memory");
    assert_string_equal(text_nearest("memor", names), "memory");
    assert_string_equal(text_nearest("timeouts", names), "timeout");
    assert_string_equal(text_nearest("mni", names), "min");
    assert_string_equal(text_nearest("memory-min", names), "memory_min");
    assert_null(text_nearest("concurrency", names));
    assert_null(text_nearest("", names));
    assert_null(text_nearest("x", names));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_printable_leaves_what_is_utf_8),
        cmocka_unit_test(test_text_printable_replaces_control_characters),
        cmocka_unit_test(test_text_printable_replaces_what_is_no_utf_8),
        cmocka_unit_test(test_text_printable_bytes_takes_a_nul_for_a_byte),
        cmocka_unit_test(test_times_are_read_as_they_are_written),
        cmocka_unit_test(test_nearest_name_is_one_or_two_letters_away),
    };

    return RUN_TESTS("text", tests, NULL, NULL);
}
