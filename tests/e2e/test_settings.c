/* test_settings.c: settings in queries and JSON, and the error reports of a deploy, a log and a
 * start. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bundle.h"
#include "harness.h"
#include "run.h"

#define HELLO                                                                                      \
    "#include <hearth.h>\nint hearth_handle(hearth_call *c) { return hearth_printf(c, "            \
    "\"hello\"); }\n"

static int
start(void **state)
{
    int status = group_start(state);

    deploy_ok(*state, "plain", "memory=16M", HELLO);
    return status;
}

/* ---- queries and JSON ---- */

static void
expect_bad(struct reply r, const char *what, const char *setting, const char *allowed)
{
    if (r.status != 400 || strcmp(reply_text(&r, "code"), "bad_setting") != 0 ||
        strcmp(reply_text(&r, "setting"), setting) != 0 ||
        strstr(reply_text(&r, "allowed"), allowed) == NULL)
        fail_msg("%s: want bad_setting of %s, %s; got %ld %s", what, setting, allowed, r.status,
                 r.body);
    reply_free(&r);
}

static void
test_a_query_that_is_not_clear_is_refused_by_name(void **state)
{
    static const char *const rows[][3] = {
        {"timeout=5", "timeout", "1.5s"},
        {"timeout=5000", "timeout", "ms"},
        {"queue_timeout=1.5", "queue_timeout", "1.5s"},
        {"idle_timeout=60", "idle_timeout", "auto"},
        {"timeout=1.0005s", "timeout", "1ms to 1h"},
        {"timeout=2h", "timeout", "1ms to 1h"},
        {"memory=16M&memory=32M", "memory", "twice"},
        {"memory=16M&timeout=1s&memory=16M", "memory", "twice"},
        {"max=1e1", "max", "1 to 4096"},
        {"max=4junk", "max", "1 to 4096"},
        {"max=-1", "max", "1 to 4096"},
        {"max=%34%", "query", "percent-encoded"},
        {"max_body=1.5M", "max_body", "512K"},
        {"xmemory=16M", "xmemory", "memory"},
        {"m%C3%A9moire=16M", "m\xc3\xa9moire", "memory"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        expect_bad(deploy(*state, "unclear", rows[i][0], HELLO), rows[i][0], rows[i][1],
                   rows[i][2]);
}

static void
test_decimals_of_a_time_are_taken(void **state)
{
    struct reply r = deploy(*state, "decimal", "timeout=1.5s&queue_timeout=0.25m", HELLO);
    json_t *settings = json_object_get(r.json, "settings");

    assert_int_equal(r.status, 201);
    assert_int_equal(json_integer_value(json_object_get(settings, "timeout")), 1500);
    assert_int_equal(json_integer_value(json_object_get(settings, "queue_timeout")), 15000);
    reply_free(&r);
}

static void
test_numbers_of_json_need_no_unit_and_texts_do(void **state)
{
    struct reply r =
        patch(*state, "/v1/functions/plain",
              "{\"timeout\": 1000.0, \"memory\": 33554432, \"queue_timeout\": \"1.5s\"}");
    json_t *settings = json_object_get(r.json, "settings");

    if (r.status != 200)
        fail_msg("%ld %s", r.status, r.body);
    assert_int_equal(json_integer_value(json_object_get(settings, "timeout")), 1000);
    assert_int_equal(json_integer_value(json_object_get(settings, "queue_timeout")), 1500);
    reply_free(&r);
    expect_bad(patch(*state, "/v1/functions/plain", "{\"timeout\": \"1000\"}"), "a text", "timeout",
               "milliseconds");
    expect_bad(patch(*state, "/v1/functions/plain", "{\"timeout\": 1000.5}"), "a half", "timeout",
               "1ms");
    expect_bad(patch(*state, "/v1/functions/plain", "{\"max\": 1e300}"), "a giant", "max", "4096");
    r = http(*state, &(struct request){.method = "POST",
                                       .path = "/v1/functions/plain/rollback",
                                       .body = "{\"version\": 1.0}",
                                       .len = 16});
    assert_int_equal(r.status, 200);
    reply_free(&r);
}

static void
test_what_a_log_is_asked_for_is_checked(void **state)
{
    static const char *const rows[][3] = {
        {"lines=-1", "lines", "0 to"},    {"lines=abc", "lines", "0 to"},
        {"lines=1e3", "lines", "0 to"},   {"lines=10junk", "lines", "0 to"},
        {"lines=", "lines", "0 to"},      {"lines=1&lines=2", "lines", "twice"},
        {"xlines=5", "xlines", "lines"},  {"follow=yes", "follow", "0 or 1"},
        {"lines=%zz", "query", "encoded"}};
    struct reply r;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char path[128];

        (void)snprintf(path, sizeof path, "/v1/functions/plain/logs?%s", rows[i][0]);
        expect_bad(get(*state, path), rows[i][0], rows[i][1], rows[i][2]);
    }
    r = get(*state, "/v1/functions/plain/logs?lines=%310");
    assert_int_equal(r.status, 200);
    reply_free(&r);
}

/* ---- deploys ---- */

static void
expect_output(struct reply r, const char *code, const char *first, const char *last)
{
    const char *output;

    if (r.status != 422 || strcmp(reply_text(&r, "code"), code) != 0)
        fail_msg("want 422 %s, got %ld %s", code, r.status, r.body);
    output = reply_text(&r, "output");
    if (strstr(output, first) == NULL || strstr(output, last) == NULL)
        fail_msg("want \"%s\" and \"%s\" in the output: %s", first, last, output);
    reply_free(&r);
}

static void
test_what_a_first_version_prints_before_it_fails_is_in_the_answer(void **state)
{
    expect_output(deploy(*state, "prints", "",
                         "#include <stdio.h>\n#include <hearth.h>\nint hearth_init(void) { "
                         "printf(\"reading the model\\n\"); fprintf(stderr, \"no model: é…\\n\"); "
                         "hearth_log(NULL, HEARTH_ERROR, \"give up\"); return 3; }\n" HELLO),
                  "init_failed", "reading the model\n", "no model: é…\n");
    expect_output(deploy(*state, "prints", "",
                         "#include <stdio.h>\n#include <hearth.h>\nint hearth_init(void) { "
                         "for (int i = 0; i < 100; i++) printf(\"line %d\\n\", i); printf(\"no "
                         "newline\"); return 3; }\n" HELLO),
                  "init_failed", "line 99\n", "no newline\n");
    expect_output(deploy(*state, "prints", "",
                         "#include <stdio.h>\n#include <stdlib.h>\n__attribute__((constructor)) "
                         "static void f(void) { puts(\"constructed\"); abort(); }\n" HELLO),
                  "init_failed", "constructed\n", "constructed\n");
}

static void
test_a_bundle_of_what_is_not_compiled_says_so(void **state)
{
    static struct bundle b;
    struct reply r;

    bundle_open(&b, false);
    bundle_add(&b, "function.rs", HELLO, NULL);
    bundle_add(&b, "include/a.h", "", NULL);
    bundle_close(&b);
    r = put(*state, "/v1/functions/rust", "application/x-tar", b.bytes, b.len);
    if (r.status != 400 || strcmp(reply_text(&r, "code"), "bad_bundle") != 0 ||
        strstr(reply_text(&r, "detail"), "function.rs") == NULL ||
        strstr(reply_text(&r, "detail"), ".c,") == NULL)
        fail_msg("%ld %s", r.status, r.body);
    reply_free(&r);
}

/* ---- at the start ---- */

static void
test_min_is_checked_against_a_smaller_budget_at_start(void **state)
{
    static const char *const small[] = {"--memory-budget", "64M", NULL};
    struct daemon d = {0};
    struct reply r;
    json_t *settings;

    (void)state;
    daemon_start(&d);
    deploy_ok(&d, "kept", "memory=32M&min=4&max=8", HELLO);
    (void)daemon_stop(&d);
    daemon_start_with(&d, small);
    r = get(&d, "/v1/functions/kept");
    settings = json_object_get(r.json, "settings");
    assert_int_equal(json_integer_value(json_object_get(settings, "min")), 2);
    reply_free(&r);
    wait_for_log(&d, "function kept: min is reduced from 4 to 2 for now");
    r = get(&d, "/function/kept");
    assert_string_equal(r.body, "hello");
    reply_free(&r);
    daemon_remove(&d);
}

static void
leave_behind(const struct daemon *d, const char *path)
{
    char token[300], whole[300];
    struct stat owner;
    int fd;

    (void)snprintf(token, sizeof token, "%s/token", d->state);
    assert_int_equal(stat(token, &owner), 0);
    (void)snprintf(whole, sizeof whole, "%s/%s", d->state, path);
    fd = open(whole, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, "half", 4) != 4 || fchown(fd, owner.st_uid, owner.st_gid) != 0)
        fail_msg("write %s", whole);
    (void)close(fd);
}

/* Leftovers of an interrupted write are removed at the next start. */
static void
test_half_written_files_are_removed_at_start(void **state)
{
    static const char *const left[] = {"functions/half/1/.function.json.tmp",
                                       "functions/half/.live.tmp", ".token.tmp"};
    struct daemon d = {0};
    struct reply r;

    (void)state;
    daemon_start(&d);
    deploy_ok(&d, "half", "memory=16M", HELLO);
    (void)daemon_stop(&d);
    for (size_t i = 0; i < sizeof left / sizeof left[0]; i++)
        leave_behind(&d, left[i]);
    daemon_start(&d);
    for (size_t i = 0; i < sizeof left / sizeof left[0]; i++) {
        char path[300];

        (void)snprintf(path, sizeof path, "%s/%s", d.state, left[i]);
        if (access(path, F_OK) == 0)
            fail_msg("%s is still there", path);
    }
    r = get(&d, "/function/half");
    assert_string_equal(r.body, "hello");
    reply_free(&r);
    daemon_remove(&d);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_query_that_is_not_clear_is_refused_by_name),
        cmocka_unit_test(test_decimals_of_a_time_are_taken),
        cmocka_unit_test(test_numbers_of_json_need_no_unit_and_texts_do),
        cmocka_unit_test(test_what_a_log_is_asked_for_is_checked),
        cmocka_unit_test(test_what_a_first_version_prints_before_it_fails_is_in_the_answer),
        cmocka_unit_test(test_a_bundle_of_what_is_not_compiled_says_so),
        cmocka_unit_test(test_min_is_checked_against_a_smaller_budget_at_start),
        cmocka_unit_test(test_half_written_files_are_removed_at_start),
    };

    return RUN_TESTS("settings", tests, start, group_stop);
}
