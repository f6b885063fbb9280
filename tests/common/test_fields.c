/* test_fields.c: the table of response fields, and the checks of names and values. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "fields.h"
#include "run.h"

static enum field_kind
kind_of(const char *name)
{
    return field_kind(name, strlen(name));
}

static void
test_the_platform_s_fields_are_known_in_any_case(void **state)
{
    static const char *const names[] = {
        "Connection", "Keep-Alive", "Proxy-Connection", "Transfer-Encoding", "TE",
        "Trailer",    "Upgrade",    "X-Call-Id",        "Server-Timing",     "tE",
        "te",         "TRAILER",    "x-call-id",        "CONNECTION",        "transfer-encodinG"};

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (kind_of(names[i]) != FIELD_PLATFORM)
            fail_msg("%s is free", names[i]);
    assert_int_equal(kind_of("content-length"), FIELD_LENGTH);
    assert_int_equal(kind_of("content-TYPE"), FIELD_TYPE);
    assert_int_equal(kind_of("date"), FIELD_DATE);
}

static void
test_other_names_are_free(void **state)
{
    static const char *const names[] = {
        "",
        "T",
        "TEE",
        "X-Call-Ie",
        "Dates",
        "Set-Cookie",
        "Trailers",
        "X-Call-Id ",
        "X-Call_Id",
        "Connectiom",
        "ETag",
        "Content-Typ",
        "Expires\n",
        "Location",
        "Last-Modified",
        "Content-Md5",
        "Vary__",
        "a-name-of-more-than-sixty-four-letters-that-is-longer-than-any-in-the-table"};

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (kind_of(names[i]) != FIELD_FREE)
            fail_msg("%s is not free", names[i]);
    assert_int_equal(field_kind("Dateline", 4), FIELD_DATE); /* the names are not NUL-terminated */
}

static void
test_type_and_date_may_stand_once_and_others_often(void **state)
{
    unsigned seen = 0;

    (void)state;
    assert_false(field_seen(seen, FIELD_DATE));
    for (int i = 0; i < 3; i++) {
        assert_true(field_count(&seen, FIELD_FREE));
        assert_int_equal(field_count(&seen, FIELD_TYPE), i == 0);
        assert_int_equal(field_count(&seen, FIELD_DATE), i == 0);
    }
    assert_true(field_seen(seen, FIELD_DATE));
}

static void
test_names_are_tokens_and_values_are_visible(void **state)
{
    (void)state;
    for (int c = 0; c < 256; c++) {
        char text[] = {'a', (char)c, 'b'};
        bool token = c != 0 && strchr("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
                                      "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
                                      c) != NULL;
        bool value = c == '\t' || (c >= 0x20 && c != 0x7f);

        assert_int_equal(field_name_ok(text, 3), token);
        assert_int_equal(field_value_ok(text, 3), value);
    }
    assert_false(field_name_ok("", 0));
    assert_true(field_value_ok("", 0));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_platform_s_fields_are_known_in_any_case),
        cmocka_unit_test(test_other_names_are_free),
        cmocka_unit_test(test_type_and_date_may_stand_once_and_others_often),
        cmocka_unit_test(test_names_are_tokens_and_values_are_visible),
    };

    return RUN_TESTS("fields", tests, NULL, NULL);
}
