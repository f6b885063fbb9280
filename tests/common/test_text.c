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

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_printable_leaves_what_is_utf_8),
        cmocka_unit_test(test_text_printable_replaces_control_characters),
        cmocka_unit_test(test_text_printable_replaces_what_is_no_utf_8),
        cmocka_unit_test(test_text_printable_bytes_takes_a_nul_for_a_byte),
    };

    return RUN_TESTS("text", tests, NULL, NULL);
}
