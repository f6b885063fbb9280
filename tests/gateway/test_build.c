/* test_build.c: build options and the plan that is made of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "build.h"
#include "build_rules.h"
#include "run.h"
#include "settings_json.h"

/* the two of settings_json.c that build.c uses */
int
gw_settings_blame(struct gw_bad_setting *bad, const char *name, const char *allowed)
{
    (void)snprintf(bad->name, sizeof bad->name, "%s", name);
    (void)snprintf(bad->allowed, sizeof bad->allowed, "%s", allowed);
    return -22;
}

bool
gw_json_whole(const json_t *value, int64_t *number)
{
    *number = json_integer_value(value);
    return json_is_integer(value);
}

#define NAMED(text)                                                                                \
    (char[])                                                                                       \
    {                                                                                              \
        text                                                                                       \
    }
static char *const files[] = {NAMED("main.c"),       NAMED("lib/a.c"),   NAMED("lib/deep/er/b.c"),
                              NAMED("lib/test_a.c"), NAMED("asm/x.S"),   NAMED("asm/y.s"),
                              NAMED("include/h.h"),  NAMED("README.md"), NAMED("tests/main.cc"),
                              NAMED("lib/a.c.orig")};

enum { FILES = sizeof files / sizeof files[0] };

/* The names of the compiled files, one after another; or "!" and the setting to blame. */
static const char *
chosen(const char *json)
{
    static char text[1024];
    struct gw_bad_setting bad = {"", ""};
    bool compiled[FILES] = {false};
    json_t *build = json_object(), *said = json_loads(json, 0, NULL);
    char *plan = NULL;

    assert_non_null(said);
    if (gw_build_from_json(build, said, &bad) == 0)
        plan = gw_build_plan(build, files, FILES, compiled, &bad);
    text[0] = '\0';
    if (plan == NULL) {
        (void)snprintf(text, sizeof text, "!%s", bad.name);
    } else {
        for (int i = 0; i < FILES; i++)
            if (compiled[i])
                (void)snprintf(text + strlen(text), sizeof text - strlen(text), "%s ", files[i]);
    }
    free(plan);
    json_decref(said);
    json_decref(build);
    return text;
}

static void
test_patterns_choose_the_files_that_they_mean(void **state)
{
    (void)state;
    assert_string_equal(chosen("{}"),
                        "main.c lib/a.c lib/deep/er/b.c lib/test_a.c asm/x.S tests/main.cc ");
    assert_string_equal(chosen("{\"sources\": [\"lib/*.c\"]}"), "lib/a.c lib/test_a.c ");
    assert_string_equal(chosen("{\"sources\": [\"lib/**/*.c\"]}"),
                        "lib/a.c lib/deep/er/b.c lib/test_a.c ");
    assert_string_equal(chosen("{\"sources\": [\"lib\"]}"),
                        "lib/a.c lib/deep/er/b.c lib/test_a.c ");
    assert_string_equal(chosen("{\"sources\": [\"./lib/\", \"!test_*\"]}"),
                        "lib/a.c lib/deep/er/b.c ");
    assert_string_equal(chosen("{\"sources\": [\"!tests/**\", \"!lib\"]}"), "main.c asm/x.S ");
    assert_string_equal(chosen("{\"sources\": [\"*.c\"]}"),
                        "main.c lib/a.c lib/deep/er/b.c lib/test_a.c ");
    assert_string_equal(chosen("{\"sources\": [\"**/b.c\"]}"), "lib/deep/er/b.c ");
    assert_string_equal(chosen("{\"sources\": [\"lib/?.c\", \"asm/*\"]}"),
                        "lib/a.c asm/x.S asm/y.s ");
    assert_string_equal(chosen("{\"sources\": \"main.c\"}"), "main.c ");
    assert_string_equal(chosen("{\"sources\": [\"*.md\"]}"), "!build.sources");
    assert_string_equal(chosen("{\"sources\": [\"\"]}"), "!build.sources");
    assert_string_equal(chosen("{\"include\": [\"include/\", \".\"]}") + 0,
                        "main.c lib/a.c lib/deep/er/b.c lib/test_a.c asm/x.S tests/main.cc ");
    assert_string_equal(chosen("{\"include\": [\"README.md\"]}"), "!build.include");
    assert_string_equal(chosen("{\"flags_for\": {\"*.f\": [\"-mavx\"]}}"), "!build.flags_for");
    assert_string_equal(chosen("{\"std\": [\"c11\", \"c99\"]}"), "!build.std");
}

static void
test_a_plan_says_all_line_by_line(void **state)
{
    static const char json[] =
        "{\"std\": [\"c11\", \"c++17\"], \"optimize\": 3, \"warnings\": \"none\","
        " \"include\": \"include\", \"define\": {\"A\": 1, \"B\": \"x y\", \"C\": null},"
        " \"sources\": [\"main.c\", \"asm/x.S\"], \"flags_for\": {\"main.c\": \"-mavx\"}}";
    struct gw_bad_setting bad = {"", ""};
    bool compiled[FILES];
    json_t *build = json_object(), *said = json_loads(json, 0, NULL);
    char *plan;

    (void)state;
    assert_int_equal(gw_build_from_json(build, said, &bad), 0);
    plan = gw_build_plan(build, files, FILES, compiled, &bad);
    assert_non_null(plan);
    assert_string_equal(plan, "hearth-build 1\nstd c11\nstd c++17\noptimize 3\nwarnings none\n"
                              "include include\ndefine A=1\ndefine B=x y\ndefine C\n"
                              "source main.c\nflag -mavx\nsource asm/x.S\nend\n");
    assert_true(gw_build_is_silent(build));
    free(plan);
    json_decref(said);
    json_decref(build);
}

static void
test_no_value_begins_a_line_of_its_own(void **state)
{
    static const char *const bad[] = {
        "{\"define\": {\"A\": \"1\\nflag -x\"}}", "{\"define\": {\"A\\nB\": 1}}",
        "{\"define\": [\"A=\\u0001\"]}",          "{\"include\": [\"a\\nb\"]}",
        "{\"define\": {\"A\": \"1\\u0000\"}}",    "{\"std\": \"c11\\n\"}"};

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct gw_bad_setting blamed = {"", ""};
        json_t *build = json_object(), *said = json_loads(bad[i], JSON_ALLOW_NUL, NULL);

        assert_non_null(said);
        if (gw_build_from_json(build, said, &blamed) == 0)
            fail_msg("%s was taken", bad[i]);
        json_decref(said);
        json_decref(build);
    }
}

/* Stars without end cost no time without end. */
static void
test_a_pattern_of_many_stars_is_held_against_a_long_name_at_once(void **state)
{
    char pattern[129] = "", name[300], *one[] = {name};
    struct gw_bad_setting bad = {"", ""};
    json_t *build = json_object(), *list = json_array();
    bool compiled[1];
    clock_t begun = clock();

    (void)state;
    for (int i = 0; i < 60; i++)
        (void)strcat(pattern, "*a");
    memset(name, 'a', sizeof name);
    (void)strcpy(name + sizeof name - 3, ".c");
    (void)json_array_append_new(list, json_string(pattern));
    (void)json_object_set_new(build, "sources", list);
    assert_null(gw_build_plan(build, one, 1, compiled, &bad));
    assert_true(clock() - begun < CLOCKS_PER_SEC / 2);
    json_decref(build);
}

static void
test_paths_that_leave_the_bundle_are_refused(void **state)
{
    static const char *const good[] = {"a",    "a b/c", "d\303\251j\303\240.c", "-o", "@x",
                                       "a..b", "..."};
    static const char *const bad[] = {"",        "/a",       "..",    "a/..", "../a",
                                      "a//b",    "./a",      "a/./b", "a\nb", "a\x7f",
                                      "a\303(b", "\xc2\x9b", "a/"};

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        if (build_path_refusal(good[i]) != NULL)
            fail_msg("%s: %s", good[i], build_path_refusal(good[i]));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (build_path_refusal(bad[i]) == NULL)
            fail_msg("%s was taken", bad[i]);
}

static void
test_flags_are_of_the_closed_list_alone(void **state)
{
    static const char *const bad[] = {"-fplugin=x",
                                      "-include",
                                      "-imacros",
                                      "-I/",
                                      "-specs=x",
                                      "-B.",
                                      "-Wl,x",
                                      "-Wa,x",
                                      "-Wp,x",
                                      "@x",
                                      "-wrapper",
                                      "-x",
                                      "-o",
                                      "-dumpdir",
                                      "-save-temps",
                                      "-march=native",
                                      "-mavx2 -x",
                                      "",
                                      "-",
                                      "-fdump-tree-all",
                                      "-L/",
                                      "-fprofile-use=x",
                                      "-fsanitize=address",
                                      "-iquote/",
                                      "-T"};

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (build_flag_ok(bad[i]))
            fail_msg("%s was taken", bad[i]);
    assert_true(build_flag_ok("-mavx2"));
    assert_true(build_flag_ok("-fno-strict-aliasing"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_patterns_choose_the_files_that_they_mean),
        cmocka_unit_test(test_a_plan_says_all_line_by_line),
        cmocka_unit_test(test_no_value_begins_a_line_of_its_own),
        cmocka_unit_test(test_a_pattern_of_many_stars_is_held_against_a_long_name_at_once),
        cmocka_unit_test(test_paths_that_leave_the_bundle_are_refused),
        cmocka_unit_test(test_flags_are_of_the_closed_list_alone),
    };

    return RUN_TESTS("build", tests, NULL, NULL);
}
