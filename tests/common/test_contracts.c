/* test_contracts.c: formats that two programs share: the lines of a function's log, and the paths
 * in the state folder. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "logline.h"
#include "name.h"
#include "run.h"
#include "state_paths.h"

static void
test_logline_begun_and_parsed_is_the_same(void **state)
{
    (void)state;
    for (int level = 0; level < LOGLINE_LEVELS; level++) {
        char line[LOGLINE_HEAD + 16];
        size_t n = logline_begin(line, level, "id-1");
        struct logline got = {0};

        assert_int_equal(n, strlen(line));
        memcpy(line + n, "text", sizeof "text");
        assert_true(logline_parse(line, n + 4, &got));
        assert_int_equal(got.level, level);
        assert_int_equal(got.id_len, 4);
        assert_memory_equal(got.id, "id-1", 4);
        assert_int_equal(got.text_len, 4);
        assert_memory_equal(got.text, "text", 4);
    }
}

static void
test_logline_without_id_and_text_is_parsed(void **state)
{
    char line[LOGLINE_HEAD];
    size_t n = logline_begin(line, 2, "");
    struct logline got = {0};

    (void)state;
    assert_true(logline_parse(line, n, &got));
    assert_int_equal(got.id_len, 0);
    assert_int_equal(got.text_len, 0);
}

static void
test_logline_long_id_is_cut_and_still_parsed(void **state)
{
    char id[LIMIT_CALL_ID + 10], line[LOGLINE_HEAD];
    struct logline got = {0};
    size_t n;

    (void)state;
    memset(id, 'x', sizeof id - 1);
    id[sizeof id - 1] = '\0';
    n = logline_begin(line, 3, id);
    assert_int_equal(n, LOGLINE_HEAD - 1);
    assert_true(logline_parse(line, n, &got));
    assert_int_equal(got.id_len, LIMIT_CALL_ID);
}

static void
test_logline_of_another_form_was_printed(void **state)
{
    char too_long[LIMIT_CALL_ID + 8];
    struct logline got = {0};
    static const struct {
        const char *bytes;
        size_t n;
    } printed[] = {
        {"", 0},        {"\001", 1},         {"\0011", 2},      {"\0011\002", 2},  {"plain", 5},
        {"\0011id", 4}, {"\001\002\002", 3}, {"\0014\002x", 4}, {"\001/\002x", 4}, {"x1\002y", 4},
    };

    (void)state;
    for (size_t i = 0; i < sizeof printed / sizeof printed[0]; i++)
        assert_false(logline_parse(printed[i].bytes, printed[i].n, &got));
    memset(too_long, 'x', sizeof too_long);
    too_long[0] = LOGLINE_START;
    too_long[1] = '1';
    too_long[LIMIT_CALL_ID + 3] = LOGLINE_TEXT;
    assert_false(logline_parse(too_long, sizeof too_long, &got));
    too_long[LIMIT_CALL_ID + 2] = LOGLINE_TEXT;
    assert_true(logline_parse(too_long, sizeof too_long, &got));
}

static void
test_state_path_of_a_version_and_of_a_staged_one(void **state)
{
    char path[STATE_PATH_BYTES], folder[STATE_FOLDER_BYTES];

    (void)state;
    state_version_folder(folder, "hello", 7, false);
    assert_string_equal(folder, "hello/7");
    state_version_folder(folder, "hello", 7, true);
    assert_string_equal(folder, "hello/tmp-7");
    state_version_path(path, "hello", 7, false, STATE_OBJECT);
    assert_string_equal(path, "functions/hello/7/function.so");
    state_version_path(path, "hello", 7, true, STATE_SOURCE);
    assert_string_equal(path, "functions/hello/tmp-7/source");
}

static void
test_state_path_of_the_longest_name_is_not_cut(void **state)
{
    char name[LIMIT_NAME + 1], path[STATE_PATH_BYTES];

    (void)state;
    memset(name, 'n', LIMIT_NAME);
    name[LIMIT_NAME] = '\0';
    assert_true(name_function_ok(name, LIMIT_NAME));
    state_version_path(path, name, UINT32_MAX, true, STATE_OBJECT);
    assert_non_null(strstr(path, "/tmp-4294967295/function.so"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_logline_begun_and_parsed_is_the_same),
        cmocka_unit_test(test_logline_without_id_and_text_is_parsed),
        cmocka_unit_test(test_logline_long_id_is_cut_and_still_parsed),
        cmocka_unit_test(test_logline_of_another_form_was_printed),
        cmocka_unit_test(test_state_path_of_a_version_and_of_a_staged_one),
        cmocka_unit_test(test_state_path_of_the_longest_name_is_not_cut),
    };

    return RUN_TESTS("contracts", tests, NULL, NULL);
}
