/* test_python_memory.c: functions in Python: their memory, its limit and profile, and their forks.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "python.h"
#include "run.h"

#define MB (1024 * 1024)

/* ---- memory ---- */

static void
expect_raised(const char *path)
{
    struct reply r = get(d, path);

    if (r.status != 502)
        fail_msg("%s: %ld %s", path, r.status, r.body);
    assert_string_equal(reply_text(&r, "code"), "memory_exceeded");
    if (!json_is_true(json_object_get(r.json, "raised")))
        fail_msg("%s: %s", path, r.body);
    assert_string_equal(reply_text(&r, "exception"), "MemoryError");
    assert_int_equal(reply_number(&r, "limit"), 64 * MB);
    assert_true(reply_number(&r, "advice") >= 64 * MB);
    reply_free(&r);
}

static void
test_memory_error_comes_before_the_kernel(void **state)
{
    (void)state;
    deploy_python("raised", "max=1", "forms.py");
    expect_raised("/function/raised/fill");
    wait_for_line("raised", "MemoryError");
    wait_for_line("raised", "kept.append(bytearray(1 << 20))");
    wait_for_figure(d, "raised", "errors", "memory_exceeded", 1);
    expect_raised("/function/raised/fill-small");
    expect_raised("/function/raised/use?bytes=1000000000");
    expect_body(d, "/function/raised/use?bytes=20000000", "20000000");
    for (int i = 0; i < 5; i++)
        expect_raised("/function/raised/fill-middle");
    expect_problem("/function/raised/long-message", 500, "function_failed", "ValueError");
    /* one that was caught is no reason for a later one */
    expect_body(d, "/function/raised/caught", "caught");
    expect_problem("/function/raised/own-memory-error", 500, "function_failed", "MemoryError");
    assert_false(log_has("raised", "the kernel killed it"));
}

/* Where the limit is small, the interpreter's own code has to stay in memory. */
static void
test_a_call_that_fills_a_small_limit_does_not_wait_for_the_disk(void **state)
{
    (void)state;
    deploy_python("small", "max=1&memory=32M", "forms.py");
    for (int i = 0; i < 5; i++)
        expect_problem("/function/small/fill-middle", 502, "memory_exceeded", "MemoryError");
}

static void
test_auto_grows_after_a_memory_error(void **state)
{
    (void)state;
    deploy_python("grows", "memory=auto&max=1&memory_max=256M", "forms.py");
    expect_problem("/function/grows/use?bytes=120000000", 502, "memory_exceeded", "MemoryError");
    wait_for_figure(d, "grows", "limits", "memory", 128 * MB);
    expect_problem("/function/grows/use?bytes=150000000", 502, "memory_exceeded", "MemoryError");
    wait_for_figure(d, "grows", "limits", "memory", 256 * MB);
    expect_body(d, "/function/grows/use?bytes=150000000", "150000000");
}

/* Calls ?leak now and then, until it is killed. */
static pid_t
begin_leaking(const char *name)
{
    char path[100];
    pid_t pid;

    (void)snprintf(path, sizeof path, "/function/%s/leak", name);
    pid = fork();
    if (pid == 0)
        for (;;) {
            struct reply r = get(d, path);

            reply_free(&r);
        }
    assert_true(pid > 0);
    return pid;
}

static void
test_a_profile_names_lines_and_types(void **state)
{
    static const char *const json[] = {"Accept: application/json", NULL};
    struct request request = {.method = "POST",
                              .path = "/v1/functions/profiled/profile",
                              .fields = json,
                              .body = "{\"seconds\":1}",
                              .len = 13};
    struct reply r;
    const json_t *line, *type;
    pid_t leaking;

    (void)state;
    deploy_python("profiled", "max=1", "forms.py");
    expect_body(d, "/function/profiled/leak", "");
    leaking = begin_leaking("profiled");
    r = http(d, &request);
    line = json_array_get(json_object_get(r.json, "lines"), 0);
    type = json_array_get(json_object_get(r.json, "objects"), 0);
    if (r.status != 200 || line == NULL || type == NULL)
        fail_msg("%ld %s", r.status, r.body);
    assert_string_equal(json_string_value(json_object_get(line, "file")), "function.py");
    assert_true(json_integer_value(json_object_get(line, "bytes")) > 1000);
    assert_string_equal(json_string_value(json_object_get(type, "type")), "Refused");
    assert_string_equal(json_string_value(json_object_get(type, "module")), "function");
    assert_true(json_integer_value(json_object_get(type, "grew")) > 0);
    reply_free(&r);
    request.fields = NULL;
    r = http(d, &request);
    assert_int_equal(r.status, 200);
    assert_non_null(strstr(r.body, "function.py:")); /* folded */
    reply_free(&r);
    assert_int_equal(kill(leaking, SIGKILL), 0);
    assert_int_equal(waitpid(leaking, NULL, 0), leaking);
}

/* Small objects, of which malloc knows nothing. */
static void
test_a_leak_of_objects_is_found(void **state)
{
    struct reply r = put_python("leaks", "max=1",
                                "kept = []\n"
                                "def handle(call):\n"
                                "    kept.append([object() for _ in range(20)])\n"
                                "    return 'x'\n");
    json_t *leak;

    (void)state;
    assert_int_equal(r.status, 201);
    reply_free(&r);
    for (int i = 0; i < 600; i++)
        expect_body(d, "/function/leaks", "x");
    r = get_of(d, "leaks", "memory");
    leak = json_object_get(r.json, "leak");
    if (!json_is_true(json_object_get(leak, "suspected")) ||
        json_integer_value(json_object_get(leak, "bytes_per_call")) < 400)
        fail_msg("%s", r.body);
    reply_free(&r);
    r = put_python("keeps", "max=1",
                   "def handle(call): return [object() for _ in range(20)] and 'x'\n");
    reply_free(&r);
    for (int i = 0; i < 600; i++)
        expect_body(d, "/function/keeps", "x");
    r = get_of(d, "keeps", "memory");
    if (json_is_true(json_object_get(json_object_get(r.json, "leak"), "suspected")))
        fail_msg("%s", r.body);
    reply_free(&r);
}

static bool
cycle_is_gone(void *user)
{
    struct reply r = get(d, "/function/cycles/alive");
    bool gone = r.status == 200 && strcmp(r.body, "False") == 0;

    (void)user;
    reply_free(&r);
    return gone;
}

static void
test_cycles_are_collected_between_calls(void **state)
{
    (void)state;
    deploy_python("cycles", "max=1", "forms.py");
    for (int i = 0; i < 3; i++) {
        expect_body(d, "/function/cycles/cycle", "True False"); /* not in the call */
        wait_for("the cycle is freed", cycle_is_gone, NULL);
    }
    /* but before a call would fill the limit with them */
    expect_body(d, "/function/cycles/cycles-in-call?n=30000", "done");
    /* more than the interpreter's own threshold, which is off */
    expect_body(d, "/function/cycles/cycle?more=20000", "True False");
    wait_for("the cycle is freed", cycle_is_gone, NULL);
}

/* ---- forks ---- */

static int
idle_instances(const char *name, json_int_t *most, json_int_t *template)
{
    struct reply r = get_of(d, name, "instances");
    json_t *one;
    size_t i;
    int count = 0;

    *most = *template = 0;
    json_array_foreach (json_object_get(r.json, "instances"), i, one) {
        const char *now = json_string_value(json_object_get(one, "state"));
        json_int_t memory = json_integer_value(json_object_get(one, "memory"));

        if (strcmp(now, "template") == 0)
            *template = memory;
        count += strcmp(now, "idle") == 0;
        if (strcmp(now, "idle") == 0 && memory > *most)
            *most = memory;
    }
    reply_free(&r);
    return count;
}

static bool
has_template(void *user)
{
    json_int_t most, template;

    (void)idle_instances(user, &most, &template);
    return template > 0;
}

#define TOKENS 100

static void
test_each_fork_has_tokens_of_its_own(void **state)
{
    char *tokens[TOKENS][4];
    struct reply replies[TOKENS];

    (void)state;
    deploy_python("tokens", "recycle_calls=1&max=4&timeout=20s", "forms.py");
    wait_for("a template", has_template, (void *)"tokens");
    for (int i = 0; i < TOKENS; i++) {
        char *rest;

        replies[i] = get(d, "/function/tokens/token");
        assert_int_equal(replies[i].status, 200);
        rest = replies[i].body;
        for (int k = 0; k < 4; k++)
            tokens[i][k] = strsep(&rest, " ");
        for (int other = 0; other < i; other++)
            for (int k = 0; k < 4; k++)
                if (strcmp(tokens[i][k], tokens[other][k]) == 0)
                    fail_msg("calls %d and %d: %s", other, i, tokens[i][k]);
    }
    for (int i = 0; i < TOKENS; i++)
        reply_free(&replies[i]);
    {
        struct reply r = get_of(d, "tokens", "memory");

        assert_true(reply_number(&r, "forks") >= TOKENS - 10);
        reply_free(&r);
    }
    /* the hook ran once in each, not in the template */
    expect_body(d, "/function/tokens/hooks", "1");
    expect_body(d, "/function/tokens/at-fork", "child");
}

static bool
are_small(void *user)
{
    json_int_t most, template;

    return idle_instances(user, &most, &template) >= 4 && most <= 1536 * 1024;
}

static void
test_forks_share_what_imports_made(void **state)
{
    struct reply r = put_python("shares", "max=6&timeout=20s",
                                "import json, re, http.client, sqlite3, time\n"
                                "def handle(call):\n"
                                "    if call.query('s'): time.sleep(float(call.query('s')))\n"
                                "    return 'x'\n");
    json_int_t most, template;

    (void)state;
    assert_int_equal(r.status, 201);
    reply_free(&r);
    expect_body(d, "/function/shares", "x");
    wait_for("a template", has_template, (void *)"shares");
    call_at_once(d, "/function/shares?s=0.5", 6, " 200 OK");
    wait_for("at most 1.5 MiB of each instance", are_small, (void *)"shares");
    (void)idle_instances("shares", &most, &template);
    assert_true(template >= 4 * MB);
}

static void
test_a_function_without_a_template_runs_its_hooks_too(void **state)
{
    (void)state;
    deploy_python("plain", "template=off&max=1", "forms.py");
    expect_body(d, "/function/plain/hooks", "1");
    expect_body(d, "/function/plain/hooks", "1");
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memory_error_comes_before_the_kernel),
        cmocka_unit_test(test_a_call_that_fills_a_small_limit_does_not_wait_for_the_disk),
        cmocka_unit_test(test_auto_grows_after_a_memory_error),
        cmocka_unit_test(test_a_profile_names_lines_and_types),
        cmocka_unit_test(test_a_leak_of_objects_is_found),
        cmocka_unit_test(test_cycles_are_collected_between_calls),
        cmocka_unit_test(test_each_fork_has_tokens_of_its_own),
        cmocka_unit_test(test_forks_share_what_imports_made),
        cmocka_unit_test(test_a_function_without_a_template_runs_its_hooks_too),
    };

    return RUN_TESTS("python_memory", tests, python_group_start, group_stop);
}
