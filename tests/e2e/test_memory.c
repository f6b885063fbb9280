/* test_memory.c: an instance that keeps memory after its calls is replaced between two calls,
 * before the kernel kills it during one (recycle_memory). */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"
#include "run.h"

/* Keeps the given KiB of each call, after a number of calls. */
static const char keeper[] =
    "#include <hearth.h>\n#include <stdlib.h>\n#include <string.h>\n"
    "static int calls; char *volatile kept;\n"
    "int hearth_handle(hearth_call *c) {\n"
    "  const char *kib = hearth_query(c, \"kib\"), *from = hearth_query(c, \"from\");\n"
    "  size_t n = kib ? strtoul(kib, 0, 10) * 1024 : 0;\n"
    "  if (++calls > (from ? atoi(from) : 0) && n > 0) { char *p = malloc(n); if (!p) return 1; "
    "memset(p, 1, n); kept = p; }\n"
    "  return hearth_printf(c, \"kept\"); }\n";

static int
start(void **state)
{
    return group_start(state);
}

static void
expect_kept(const struct daemon *d, const char *path, int call)
{
    struct reply r = get(d, path);

    if (r.status != 200 || strcmp(r.body, "kept") != 0)
        fail_msg("%s, call %d: %ld %s (curl %d)", path, call, r.status, r.body, r.error);
    reply_free(&r);
}

/* One call after another, however much of the free share each one keeps. */
static void
test_no_call_dies_of_what_the_calls_before_it_kept(void **state)
{
    static const struct {
        const char *settings, *query;
    } rows[] = {
        {"memory=32M&max=1", "kib=1024"},
        {"memory=32M&max=1", "kib=2900"},
        {"memory=32M&max=1", "kib=2900&from=40"}, /* keeps nothing at first */
        {"memory=32M&max=1", "kib=200"},
        {"memory=16M&max=1&recycle_memory=50", "kib=6000"},
        {"memory=64M&max=2&recycle_memory=99", "kib=500"},
    };
    const struct daemon *d = *state;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char path[128];

        deploy_ok(d, "keeper", rows[i].settings, keeper);
        (void)snprintf(path, sizeof path, "/function/keeper?%s", rows[i].query);
        for (int call = 0; call < 150; call++)
            expect_kept(d, path, call);
    }
}

/* Concurrent calls: what was sent ahead to a full instance runs in another one. */
static void
test_no_call_dies_of_what_calls_beside_it_kept(void **state)
{
    enum { CALLERS = 12 };
    const struct daemon *d = *state;
    pid_t pids[CALLERS];

    deploy_ok(d, "beside", "memory=32M&max=2&recycle_memory=90", keeper);
    for (int call = 0; call < 100; call++)
        expect_kept(d, "/function/beside", call); /* quick calls: more are sent ahead */
    for (int i = 0; i < CALLERS; i++) {
        pids[i] = fork();
        if (pids[i] != 0)
            continue;
        for (int call = 0; call < 100; call++) {
            struct reply r = get(d, call % 3 ? "/function/beside?kib=1024" : "/function/beside");

            if (r.status != 200) {
                (void)fprintf(stderr, "call %d: %ld %s\n", call, r.status, r.body);
                _exit(1);
            }
            reply_free(&r);
        }
        _exit(0);
    }
    for (int i = 0; i < CALLERS; i++) {
        int status;

        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        if (status != 0)
            fail_msg("a concurrent call failed: see above");
    }
}

/* 100 percent: no share is kept free, and nothing is checked. */
static void
test_recycle_memory_of_100_replaces_nothing(void **state)
{
    const struct daemon *d = *state;
    struct reply r;

    deploy_ok(d, "never", "memory=32M&max=1&recycle_memory=100", keeper);
    for (int call = 0; call < 25; call++)
        expect_kept(d, "/function/never?kib=1024", call);
    r = get(d, "/v1/functions/never/instances");
    assert_int_equal(json_array_size(json_object_get(r.json, "instances")), 1);
    reply_free(&r);
}

/* A changed share also applies to running instances. */
static void
test_a_changed_share_holds_for_running_instances(void **state)
{
    const struct daemon *d = *state;
    struct reply r;

    deploy_ok(d, "changed", "memory=32M&max=1&recycle_memory=100", keeper);
    for (int call = 0; call < 20; call++)
        expect_kept(d, "/function/changed?kib=1024", call);
    r = patch(d, "/v1/functions/changed", "{\"recycle_memory\": 50}");
    assert_int_equal(r.status, 200);
    reply_free(&r);
    for (int call = 0; call < 100; call++)
        expect_kept(d, "/function/changed?kib=1024", call);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_call_dies_of_what_the_calls_before_it_kept),
        cmocka_unit_test(test_no_call_dies_of_what_calls_beside_it_kept),
        cmocka_unit_test(test_recycle_memory_of_100_replaces_nothing),
        cmocka_unit_test(test_a_changed_share_holds_for_running_instances),
    };

    return RUN_TESTS("memory", tests, start, group_stop);
}
