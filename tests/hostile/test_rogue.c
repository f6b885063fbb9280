/* test_rogue.c: a worker that violates the protocol (rogue_worker.c) replaces the platform's.
 * Whatever it writes, the gateway keeps running, its clients get complete responses, truncated ones
 * or errors, and neighbours get their own.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"
#include "run.h"

#define CLIENTS 8
#define ROUNDS  6

static const char any_source[] =
    "#include <hearth.h>\nint hearth_handle(hearth_call *c) { (void)c; return 0; }\n";

struct rogues {
    struct daemon d;
    pid_t gateway;
};

static int
start(void **state)
{
    static struct rogues r;

    memset(&r, 0, sizeof r);
    daemon_start_with_rogue(&r.d, "hearth-worker", "rogue-worker");
    deploy_ok(&r.d, "neighbour", "memory=16M&min=1&max=1&env=%7B%22LIE%22:%22honest%22%7D",
              any_source);
    r.gateway = find_process(r.d.pid, "hearth-gateway");
    *state = &r;
    return 0;
}

static int
stop(void **state)
{
    struct rogues *r = *state;

    daemon_remove(&r->d);
    return 0;
}

/* ---- invariants ---- */

static void
expect_all_well(struct rogues *r, const char *after)
{
    struct reply reply = get(&r->d, "/function/neighbour");

    if (reply.status != 200 || strcmp(reply.body, "honest") != 0)
        fail_msg("after %s the neighbour answers %ld %s", after, reply.status, reply.body);
    reply_free(&reply);
    reply = get(&r->d, "/healthz");
    assert_int_equal(reply.status, 200);
    reply_free(&reply);
    if (find_process(r->d.pid, "hearth-gateway") != r->gateway)
        fail_msg("after %s the gateway is another process", after);
}

static void
deploy_lie(struct rogues *r, const char *name, const char *lie, int seed)
{
    char settings[256];

    (void)snprintf(settings, sizeof settings,
                   "memory=16M&timeout=300ms&max=4&env=%%7B%%22LIE%%22:%%22%s%%22,%%22SEED%%22:"
                   "%%22%d%%22%%7D",
                   lie, seed);
    deploy_ok(&r->d, name, settings, any_source);
}

/* One client that makes one call after another. A response is complete, truncated, or a problem of
 * the platform. The exit status of the process is the line of a failed check. */
static int
client(const struct daemon *d, const char *path)
{
    for (int i = 0; i < ROUNDS; i++) {
        struct reply r = get(d, path);
        const char *code = json_string_value(json_object_get(r.json, "code"));

        if (r.error == 0 && r.status != 200 && r.status != 204 && code == NULL)
            return __LINE__;
        if (r.error == 0 && r.status >= 600)
            return __LINE__;
        if (code != NULL && strcmp(code, "internal") == 0)
            return __LINE__;
        if (r.fields != NULL && strstr(r.fields, "another's") != NULL)
            return __LINE__;
        reply_free(&r);
    }
    return 0;
}

static void
call_from_many(struct rogues *r, const char *path, const char *lie)
{
    pid_t pids[CLIENTS];

    for (int i = 0; i < CLIENTS; i++) {
        pids[i] = fork();
        assert_true(pids[i] >= 0);
        if (pids[i] == 0)
            _exit(client(&r->d, path));
    }
    for (int i = 0; i < CLIENTS; i++) {
        int status;

        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
            fail_msg("%s: a client's check in line %d failed", lie, WEXITSTATUS(status));
    }
}

static void
test_no_lie_of_a_worker_harms_the_gateway_or_a_neighbour(void **state)
{
    static const char *const lies[] = {
        "random",    "lengths", "types",   "serials", "fields",  "status",   "declared", "failed",
        "order",     "jump",    "padding", "words",   "endless", "drops",    "empties",  "bells",
        "backwards", "silent",  "closed",  "exit",    "unclaim", "consumed", "output",   "flip"};
    struct rogues *r = *state;

    for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
        struct reply reply;

        deploy_lie(r, "liar", lies[i], (int)i + 1);
        call_from_many(r, "/function/liar", lies[i]);
        expect_all_well(r, lies[i]);
        reply = http(&r->d, &(struct request){.method = "DELETE", .path = "/v1/functions/liar"});
        assert_int_equal(reply.status, 204);
        reply_free(&reply);
    }
    wait_for_figure(&r->d, "neighbour", NULL, "version", 1);
}

/* The client gets a problem of the platform, and nothing of the forged response. */
static void
expect_refused(struct rogues *r, const char *what)
{
    struct reply reply = get(&r->d, "/function/forger");

    if (reply.status != 502 || strcmp(reply_text(&reply, "code"), "function_crashed") != 0 ||
        strstr(reply.fields, "forged") != NULL)
        fail_msg("%s: %ld %s%s", what, reply.status, reply.fields, reply.body);
    reply_free(&reply);
    expect_all_well(r, what);
}

static void
deploy_forger(struct rogues *r, const char *lie, const char *fields)
{
    char settings[512];

    (void)snprintf(settings, sizeof settings,
                   "memory=16M&max=1&env=%%7B%%22LIE%%22:%%22%s%%22,%%22FORGED%%22:%%22%s%%22%%7D",
                   lie, fields);
    deploy_ok(&r->d, "forger", settings, any_source);
}

static void
test_fields_that_no_function_may_set_are_refused_of_a_worker_too(void **state)
{
    static const char *const rows[] = {
        "Connection:forged",
        "Keep-Alive:forged",
        "Proxy-Connection:forged",
        "Transfer-Encoding:forged",
        "TE:forged",
        "Trailer:forged",
        "Upgrade:forged",
        "X-Call-Id:forged",
        "x-cALL-iD:forged",
        "Server-Timing:forged",
        "Content-Length:4",
        "CONTENT-LENGTH:400",
        "Content-Type:text/html|Content-Type:forged",
        "content-type:forged|X-Free:1|CONTENT-TYPE:forged",
        "Date:forged|Date:forged",
        "X-Free:1|TE:forged",
        "X-Free:1|forged", /* bytes after the last field */
        ":forged",
        "X%20Free:forged",
        "X-Free%5Cu0001:forged",
        "X-Free:a%5Cr%5Cnforged",
        "X-Free:a%5Cu007fforged",
    };
    struct rogues *r = *state;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        deploy_forger(r, "forged", rows[i]);
        expect_refused(r, rows[i]);
    }
    deploy_forger(r, "short", "none");
    expect_refused(r, "a whole response that is shorter than declared");
}

static int
count_of(const char *text, const char *what)
{
    int n = 0;

    for (const char *at = text; (at = strcasestr(at, what)) != NULL; at++)
        n++;
    return n;
}

static void
test_fields_that_a_function_may_set_pass(void **state)
{
    struct rogues *r = *state;
    struct reply reply;

    deploy_forger(r, "forged", "Date:its%20own|X-Free:1|X-Free:2|Content-Type:text/x|TEE:3");
    reply = get(&r->d, "/function/forger");
    assert_int_equal(reply.status, 200);
    assert_string_equal(reply.body, "well");
    assert_int_equal(count_of(reply.fields, "\nDate: its own"), 1);
    assert_int_equal(count_of(reply.fields, "\nDate:"), 1);
    assert_int_equal(count_of(reply.fields, "\nX-Free:"), 2);
    assert_int_equal(count_of(reply.fields, "\nContent-Type:"), 1);
    reply_free(&reply);
}

/* Calls and bodies to the neighbour continue while the others lie. */
static void
test_a_neighbour_answers_while_others_lie(void **state)
{
    static const char *const lies[] = {"bells", "endless", "flip", "random"};
    struct rogues *r = *state;
    pid_t pid;
    int status;

    for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
        char name[32];

        (void)snprintf(name, sizeof name, "liar-%s", lies[i]);
        deploy_lie(r, name, lies[i], (int)i);
    }
    pid = fork();
    if (pid == 0) {
        for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
            char path[64];

            (void)snprintf(path, sizeof path, "/function/liar-%s", lies[i]);
            if (fork() == 0)
                _exit(client(&r->d, path));
        }
        while (waitpid(-1, &status, 0) > 0)
            if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
                _exit(1);
        _exit(0);
    }
    for (int i = 0; i < 200; i++)
        expect_all_well(r, "a call beside lies");
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void
test_a_worker_that_lies_before_it_is_ready_goes_live_never(void **state)
{
    struct rogues *r = *state;
    struct reply reply =
        deploy(&r->d, "early", "memory=16M&env=%7B%22LIE%22:%22early%22%7D", any_source);

    if (reply.status != 422 || strcmp(reply_text(&reply, "code"), "init_failed") != 0)
        fail_msg("%ld %s", reply.status, reply.body);
    reply_free(&reply);
    reply = deploy(&r->d, "twice", "memory=16M&env=%7B%22LIE%22:%22ready_twice%22%7D", any_source);
    assert_true(reply.status == 201 || reply.status == 422);
    reply_free(&reply);
    expect_all_well(r, "a lie before it was ready");
}

/* It tried to truncate and to extend the channel's file before it had a filter. */
static void
test_the_seals_keep_the_channel_whole(void **state)
{
    struct rogues *r = *state;
    struct reply reply = get(&r->d, "/v1/functions/neighbour/logs");

    assert_int_equal(reply.status, 200);
    assert_null(strstr(reply.body, "CUT"));
    assert_null(strstr(reply.body, "SEALED"));
    reply_free(&reply);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_lie_of_a_worker_harms_the_gateway_or_a_neighbour),
        cmocka_unit_test(test_fields_that_no_function_may_set_are_refused_of_a_worker_too),
        cmocka_unit_test(test_fields_that_a_function_may_set_pass),
        cmocka_unit_test(test_a_neighbour_answers_while_others_lie),
        cmocka_unit_test(test_a_worker_that_lies_before_it_is_ready_goes_live_never),
        cmocka_unit_test(test_the_seals_keep_the_channel_whole),
    };

    return RUN_TESTS("rogue", tests, start, stop);
}
