/* test_diagnostics.c: what gcc and ld print, as objects. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "deploy.h"
#include "run.h"

static const char *
text_of(json_t *list, size_t i, const char *name)
{
    const char *text = json_string_value(json_object_get(json_array_get(list, i), name));

    return text != NULL ? text : "";
}

static json_int_t
line_of(json_t *list, size_t i)
{
    return json_integer_value(json_object_get(json_array_get(list, i), "line"));
}

static void
test_an_error_keeps_its_caret_and_comes_first(void **state)
{
    json_t *list = gw_diagnostics("In file included from ./lib/b.h:3,\n"
                                  "                 from ./a.c:1:\n"
                                  "./a.c:4:5: warning: unused [-Wunused]\n"
                                  "    4 | int x;\n"
                                  "      |     ^\n"
                                  "./a.c: In function 'f':\n"
                                  "./a.c:9:3: error: 'y' undeclared\n"
                                  "    9 |   y = 1;\n"
                                  "      |   ^\n"
                                  "./a.c:9:3: note: each once\n"
                                  "./b c.c:1:1: fatal error: x.h: No such file or directory\n"
                                  "compilation terminated.\n",
                                  true, false);

    (void)state;
    assert_int_equal(json_array_size(list), 4);
    assert_string_equal(text_of(list, 0, "message"), "'y' undeclared");
    assert_string_equal(text_of(list, 0, "caret"), "    9 |   y = 1;\n      |   ^");
    assert_string_equal(text_of(list, 1, "severity"), "note");
    assert_string_equal(text_of(list, 2, "file"), "b c.c");
    assert_string_equal(text_of(list, 3, "severity"), "warning");
    assert_string_equal(text_of(list, 3, "caret"), "    4 | int x;\n      |     ^");
    json_decref(list);
}

static void
test_link_errors_of_each_kind_name_symbol_and_file(void **state)
{
    json_t *list = gw_diagnostics(
        "/usr/bin/ld: /tmp/o/a.c.o: in function `f':\n"
        "/src/./a.c:12: undefined reference to `bar'\n"
        "/usr/bin/ld: /src/./a.c:13: undefined reference to `bar'\n"
        "/usr/bin/ld: /tmp/o/lib/b.c.o:(.data.rel+0x0): undefined reference to `quux'\n"
        "/usr/bin/ld: /tmp/o/c.c.o: in function `g':\n"
        "c.c:(.text+0x5): undefined reference to `deflate'\n"
        "/usr/bin/ld: /tmp/o/c.c.o:/src/./h.h:1: multiple definition of `n'; "
        "/tmp/o/a.c.o:/src/./h.h:1: first defined here\n"
        "/usr/bin/ld: /tmp/o/c.c.o: in function `main':\n"
        "/src/./c.c:3: multiple definition of `main'; /tmp/o/a.c.o:/src/./a.c:7: first defined "
        "here\n"
        "/usr/bin/ld: /tmp/o/s.S.o: relocation R_X86_64_32 against `.data' can not be used when "
        "making a shared object; recompile with -fPIC\n"
        "/usr/bin/ld: cannot find -lnone: No such file or directory\n"
        "/usr/bin/ld: final link failed: bad value\n"
        "collect2: error: ld returned 1 exit status\n"
        "hearth: symbol deflate is in library z\n",
        true, false);

    (void)state;
    assert_int_equal(json_array_size(list), 7);
    assert_string_equal(text_of(list, 0, "symbol"), "bar");
    assert_string_equal(text_of(list, 0, "file"), "a.c");
    assert_int_equal(line_of(list, 0), 12);
    assert_string_equal(text_of(list, 1, "symbol"), "quux");
    assert_string_equal(text_of(list, 1, "file"), "lib/b.c");
    assert_string_equal(text_of(list, 2, "message"),
                        "undefined reference to `deflate': add libs=z");
    assert_string_equal(text_of(list, 2, "file"), "c.c");
    assert_string_equal(text_of(list, 2, "library"), "z");
    assert_string_equal(text_of(list, 3, "message"),
                        "multiple definition of `n' in c.c; first defined in a.c");
    assert_string_equal(text_of(list, 3, "file"), "h.h");
    assert_non_null(strstr(text_of(list, 4, "message"), "first defined in a.c, line 7"));
    assert_string_equal(text_of(list, 5, "file"), "s.S");
    assert_non_null(strstr(text_of(list, 5, "message"), "-fPIC"));
    assert_non_null(strstr(text_of(list, 6, "message"), "cannot find -lnone"));
    json_decref(list);
}

static void
test_the_platform_s_own_macro_and_silent_warnings_are_left_out(void **state)
{
    static const char said[] = "./a.c:1: warning: \"_GNU_SOURCE\" redefined\n"
                               "<command-line>: note: this is the location\n"
                               "./a.c:2:1: warning: other\n";
    json_t *list = gw_diagnostics(said, false, false);

    (void)state;
    assert_int_equal(json_array_size(list), 1);
    assert_string_equal(text_of(list, 0, "message"), "other");
    json_decref(list);
    list = gw_diagnostics(said, false, true);
    assert_int_equal(json_array_size(list), 0);
    json_decref(list);
}

static void
test_of_each_severity_fifty_are_kept_and_the_rest_counted(void **state)
{
    char *said = calloc(1, 1 << 16), *at = said;
    json_t *list;

    (void)state;
    for (int i = 0; i < 70; i++)
        at +=
            sprintf(at, "./a.c:%d:1: warning: w%d\n   1 | x\n./a.c:1:1: error: e%d\n", i + 1, i, i);
    list = gw_diagnostics(said, true, false);
    assert_int_equal(json_array_size(list), 102);
    assert_string_equal(text_of(list, 49, "message"), "e49");
    assert_string_equal(text_of(list, 50, "message"), "w0");
    assert_string_equal(text_of(list, 100, "message"), "20 more errors are not shown");
    json_decref(list);
    free(said);
}

static void
test_a_failure_in_unknown_words_keeps_the_last_lines(void **state)
{
    json_t *list = gw_diagnostics("something\nunheard of\n", true, false);

    (void)state;
    assert_int_equal(json_array_size(list), 2);
    assert_string_equal(text_of(list, 1, "message"), "unheard of");
    json_decref(list);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_error_keeps_its_caret_and_comes_first),
        cmocka_unit_test(test_link_errors_of_each_kind_name_symbol_and_file),
        cmocka_unit_test(test_the_platform_s_own_macro_and_silent_warnings_are_left_out),
        cmocka_unit_test(test_of_each_severity_fifty_are_kept_and_the_rest_counted),
        cmocka_unit_test(test_a_failure_in_unknown_words_keeps_the_last_lines),
    };

    return RUN_TESTS("diagnostics", tests, NULL, NULL);
}
