/* test_scheduling.c: the scheduler's decisions as seen from outside: deploys under load, the memory
 * budget, min, blanks, and the responses to refused clients. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"
#include "run.h"

#define HELLO                                                                                      \
    "#include <hearth.h>\n"                                                                        \
    "int hearth_handle(hearth_call *call) { return hearth_printf(call, \"hello\"); }\n"
#define SLOW_INIT                                                                                  \
    "#include <time.h>\n"                                                                          \
    "int hearth_init(void) { struct timespec t = {0, 500000000}; return nanosleep(&t, 0); }\n"
#define SLEEPER                                                                                    \
    "#include <hearth.h>\n#include <time.h>\n"                                                     \
    "int hearth_handle(hearth_call *call) { struct timespec t = {1, 0}; nanosleep(&t, 0);\n"       \
    "  return hearth_printf(call, \"slept\"); }\n"

static void
expect_hello(const struct daemon *d, const char *path)
{
    struct reply r = get(d, path);

    if (r.status != 200 || strcmp(r.body, "hello") != 0)
        fail_msg("%s: %ld %s", path, r.status, r.body);
    reply_free(&r);
}

/* A number in /metrics; -1 if it is absent. */
static double
metric(const struct daemon *d, const char *name)
{
    struct reply r = get(d, "/metrics");
    char start[128];
    const char *at;
    double value = -1;

    (void)snprintf(start, sizeof start, "\n%s ", name);
    at = strstr(r.body, start);
    if (at != NULL)
        value = strtod(at + strlen(start), NULL);
    reply_free(&r);
    return value;
}

/* ---- deploys and rollbacks under load ---- */

static _Noreturn void
call_until_told(const struct daemon *d, int stop)
{
    static const char request[] = "GET /function/steady HTTP/1.1\r\nHost: x\r\n\r\n";
    int fd = raw_connect(d);
    char answer[2048], byte;
    long calls = 0;

    while (recv(stop, &byte, 1, MSG_DONTWAIT) < 0) {
        ssize_t got;
        size_t len = 0;

        raw_send(fd, request, sizeof request - 1);
        do {
            got = recv(fd, answer + len, sizeof answer - 1 - len, 0);
            len += got > 0 ? (size_t)got : 0;
            answer[len] = '\0';
        } while (got > 0 && strstr(answer, "\r\n\r\nhello") == NULL && len < sizeof answer - 1);
        if (strstr(answer, " 200 ") == NULL || strstr(answer, "\r\n\r\nhello") == NULL) {
            (void)dprintf(2, "call %ld was lost: %s\n", calls, answer);
            _exit(1);
        }
        calls++;
    }
    _exit(calls > 10 ? 0 : 2);
}

static void
test_deploys_and_rollbacks_under_load_lose_no_call(void **state)
{
    enum { CLIENTS = 4 };
    struct daemon *d = *state;
    int stops[CLIENTS][2], status;
    pid_t pids[CLIENTS];

    deploy_ok(d, "steady", "memory=16M&max=3&queue=1000", HELLO);
    for (int i = 0; i < CLIENTS; i++) {
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, stops[i]), 0);
        pids[i] = fork();
        if (pids[i] == 0)
            call_until_told(d, stops[i][1]);
    }
    for (int i = 0; i < 6; i++) {
        char body[40];
        struct reply r;

        deploy_ok(d, "steady", "", HELLO);
        (void)snprintf(body, sizeof body, "{\"version\": %d}", i + 1);
        r = post(d, "/v1/functions/steady/rollback", body, strlen(body));
        assert_int_equal(r.status, 200);
        reply_free(&r);
    }
    for (int i = 0; i < CLIENTS; i++) {
        assert_int_equal(write(stops[i][0], "x", 1), 1);
        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
        (void)close(stops[i][0]);
        (void)close(stops[i][1]);
    }
}

/* ---- refusals ---- */

/* Runs for a second, as SLEEPER, or until its timeout. */
#define HOLDER                                                                                     \
    "#include <hearth.h>\n#include <time.h>\n"                                                     \
    "int hearth_handle(hearth_call *call) {\n"                                                     \
    "  struct timespec t = {hearth_query(call, \"hold\") ? 60 : 1, 0}; nanosleep(&t, 0);\n"        \
    "  return hearth_printf(call, \"slept\"); }\n"

static void
test_retry_after_follows_the_queue_and_the_service_time(void **state)
{
    enum { WAITERS = 3 };
    static const char request[] = "GET /function/holder?hold HTTP/1.1\r\nHost: x\r\n\r\n";
    struct daemon *d = *state;
    int fds[1 + WAITERS];
    struct reply r;
    char field[32];

    deploy_ok(d, "holder", "memory=16M&max=1&queue=3&timeout=8s&queue_timeout=30s", HOLDER);
    r = get(d, "/function/holder"); /* the scheduler learns its run time */
    assert_int_equal(r.status, 200);
    reply_free(&r);
    for (int i = 0; i <= WAITERS; i++) {
        fds[i] = raw_connect(d);
        raw_send(fds[i], request, sizeof request - 1);
        if (i == 0)
            wait_for_figure(d, "holder", "instances", "busy", 1);
    }
    wait_for_figure(d, "holder", NULL, "waiting", WAITERS);
    r = get(d, "/function/holder");
    assert_int_equal(r.status, 503);
    assert_string_equal(reply_text(&r, "code"), "overloaded");
    assert_non_null(reply_field(&r, "Retry-After", field, sizeof field));
    assert_in_range(atoi(field), 3, 5); /* three calls of a second each */
    reply_free(&r);
    for (int i = 0; i <= WAITERS; i++)
        (void)close(fds[i]);
}

static void
test_a_flood_on_one_function_refuses_no_call_of_another(void **state)
{
    enum { FLOOD = 60 };
    struct daemon *d = *state;
    int fds[FLOOD];
    struct reply r;

    deploy_ok(d, "flooded", "memory=16M&max=2&queue=10&timeout=10s", SLEEPER);
    deploy_ok(d, "calm", "memory=16M&max=2&queue=2", HELLO);
    expect_hello(d, "/function/calm");
    for (int i = 0; i < FLOOD; i++) {
        fds[i] = raw_connect(d);
        raw_send(fds[i], "GET /function/flooded HTTP/1.1\r\nHost: x\r\n\r\n", 45);
    }
    for (int i = 0; i < 200; i++)
        expect_hello(d, "/function/calm");
    r = get(d, "/v1/functions/flooded");
    assert_true(json_integer_value(
                    json_object_get(json_object_get(r.json, "errors"), "overloaded")) > FLOOD / 2);
    reply_free(&r);
    r = get(d, "/v1/functions/calm");
    assert_int_equal(json_object_size(json_object_get(r.json, "errors")), 0);
    reply_free(&r);
    for (int i = 0; i < FLOOD; i++)
        (void)close(fds[i]);
}

/* ---- the memory budget ---- */

static void
test_the_budget_is_kept_by_ending_the_idle_instance_worth_least(void **state)
{
    static const char *const options[] = {"--memory-budget", "64M", NULL};
    struct daemon d = {0};

    (void)state;
    daemon_start_with(&d, options);
    /* The value of an instance is its calls times its start time, which is measured: on a busy
     * machine a start of b may take a hundred times as long as another. a is slow by itself. */
    deploy_ok(&d, "a", "memory=32M", SLOW_INIT HELLO);
    deploy_ok(&d, "b", "memory=32M", HELLO);
    deploy_ok(&d, "c", "memory=32M", HELLO);
    for (int i = 0; i < 100; i++)
        expect_hello(&d, "/function/a");
    expect_hello(&d, "/function/b");
    expect_hello(&d, "/function/c"); /* b has the fewest calls */
    wait_for_figure(&d, "b", "instances", "total", 0);
    wait_for_figure(&d, "a", "instances", "idle", 1);
    wait_for_figure(&d, "c", "instances", "idle", 1);
    assert_true(metric(&d, "hearth_evictions_total") >= 1);
    assert_true(metric(&d, "hearth_memory_reserved_bytes") <= 64 << 20);
    assert_true(metric(&d, "hearth_memory_budget_bytes") == 64 << 20);
    daemon_remove(&d);
}

static void
test_min_over_the_budget_is_refused_and_nothing_changed(void **state)
{
    static const char *const options[] = {"--memory-budget", "64M", NULL};
    static const char json[] = "{\"min\": 3}";
    struct daemon d = {0};
    struct reply r;

    (void)state;
    daemon_start_with(&d, options);
    deploy_ok(&d, "a", "memory=32M", HELLO);
    r = http(&d, &(struct request){.method = "PATCH",
                                   .path = "/v1/functions/a",
                                   .body = json,
                                   .len = sizeof json - 1});
    assert_int_equal(r.status, 400);
    assert_string_equal(reply_text(&r, "code"), "bad_setting");
    assert_string_equal(reply_text(&r, "setting"), "min");
    reply_free(&r);
    r = deploy(&d, "b", "memory=32M&min=3", HELLO);
    assert_int_equal(r.status, 400);
    assert_string_equal(reply_text(&r, "setting"), "min");
    reply_free(&r);
    wait_for_figure(&d, "a", "settings", "min", 0);
    r = get(&d, "/v1/functions/b");
    assert_int_equal(r.status, 404);
    reply_free(&r);
    r = deploy(&d, "big", "memory=65M", HELLO);
    assert_int_equal(r.status, 400);
    assert_string_equal(reply_text(&r, "setting"), "memory");
    reply_free(&r);
    daemon_remove(&d);
}

/* ---- min ---- */

static void
test_min_is_kept_warm_after_a_deploy_a_death_and_a_restart(void **state)
{
    struct daemon d = {0};

    (void)state;
    daemon_start(&d);
    deploy_ok(&d, "warm", "memory=16M&min=2", HELLO);
    wait_for_figure(&d, "warm", "instances", "idle", 2);
    (void)kill(find_process(d.pid, "hearth-worker"), SIGKILL);
    wait_for_figure(&d, "warm", "instances", "idle", 2);
    assert_int_equal(daemon_stop(&d), 0);
    daemon_start(&d);
    wait_for_figure(&d, "warm", "instances", "idle", 2);
    daemon_remove(&d);
}

static void
test_idle_timeout_auto_is_taken_and_shown(void **state)
{
    struct reply r;

    deploy_ok(*state, "auto", "memory=16M&idle_timeout=auto", HELLO);
    expect_hello(*state, "/function/auto");
    r = get(*state, "/v1/functions/auto");
    assert_string_equal(
        json_string_value(json_object_get(json_object_get(r.json, "settings"), "idle_timeout")),
        "auto");
    reply_free(&r);
}

static void
test_as_many_versions_are_kept_as_configured(void **state)
{
    static const char *const options[] = {"--keep-versions", "2", NULL};
    struct daemon d = {0};
    struct reply r;

    (void)state;
    daemon_start_with(&d, options);
    for (int i = 0; i < 4; i++)
        deploy_ok(&d, "often", "memory=16M", HELLO);
    r = get(&d, "/v1/functions/often/versions");
    assert_int_equal(json_array_size(json_object_get(r.json, "versions")), 2);
    reply_free(&r);
    daemon_remove(&d);
}

/* ---- blanks ---- */

struct blanks {
    const struct daemon *d;
    int wanted;
};

static bool
are_so_many_blanks(void *user)
{
    const struct blanks *b = user;

    return count_processes(b->d->pid, "hearth-blank") == b->wanted;
}

static void
test_blanks_are_made_again_after_use_and_death(void **state)
{
    static const char *const options[] = {"--blanks-min", "2", "--blanks-max", "2", NULL};
    struct daemon d = {0};
    struct blanks two = {&d, 2};

    (void)state;
    daemon_start_with(&d, options);
    wait_for("two blanks", are_so_many_blanks, &two);
    deploy_ok(&d, "hello", "memory=16M", HELLO);
    expect_hello(&d, "/function/hello");
    wait_for("two blanks after a call", are_so_many_blanks, &two);
    for (int i = 0; i < 3; i++) {
        (void)kill(find_process(d.pid, "hearth-blank"), SIGKILL);
        wait_for("two blanks after a death", are_so_many_blanks, &two);
    }
    expect_hello(&d, "/function/hello");
    daemon_remove(&d);
}

static void
test_without_blanks_functions_are_started_all_the_same(void **state)
{
    static const char *const options[] = {"--blanks-min", "0", "--blanks-max", "0", NULL};
    struct daemon d = {0};

    (void)state;
    daemon_start_with(&d, options);
    deploy_ok(&d, "hello", "memory=16M", HELLO);
    expect_hello(&d, "/function/hello");
    assert_int_equal(count_processes(d.pid, "hearth-blank"), 0);
    daemon_remove(&d);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_deploys_and_rollbacks_under_load_lose_no_call),
        cmocka_unit_test(test_retry_after_follows_the_queue_and_the_service_time),
        cmocka_unit_test(test_a_flood_on_one_function_refuses_no_call_of_another),
        cmocka_unit_test(test_the_budget_is_kept_by_ending_the_idle_instance_worth_least),
        cmocka_unit_test(test_min_over_the_budget_is_refused_and_nothing_changed),
        cmocka_unit_test(test_min_is_kept_warm_after_a_deploy_a_death_and_a_restart),
        cmocka_unit_test(test_idle_timeout_auto_is_taken_and_shown),
        cmocka_unit_test(test_as_many_versions_are_kept_as_configured),
        cmocka_unit_test(test_blanks_are_made_again_after_use_and_death),
        cmocka_unit_test(test_without_blanks_functions_are_started_all_the_same),
    };

    return RUN_TESTS("scheduling", tests, group_start, group_stop);
}
