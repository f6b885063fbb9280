/* test_tune.c: POST …/tune replays payloads over a ladder of memory limits, on instances of its
 * own. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness.h"
#include "run.h"

#define KB 1024
#define MB (1024 * KB)

/* Uses `kb` KiB and the length of the body, and counts its calls. */
static const char toucher[] =
    "#include <hearth.h>\n#include <stdlib.h>\n#include <string.h>\n#include <time.h>\n"
    "static int calls;\n"
    "int hearth_handle(hearth_call *c) {\n"
    "  const char *kb = hearth_query(c, \"kb\"); size_t len = 0, n; char *p;\n"
    "  struct timespec t = {3, 0};\n"
    "  if (hearth_query(c, \"fail\")) return 7;\n"
    "  if (hearth_query(c, \"sleep\")) nanosleep(&t, 0);\n"
    "  if (hearth_query(c, \"count\")) return hearth_printf(c, \"%d\", ++calls);\n"
    "  (void)hearth_body(c, &len); n = strtoul(kb ? kb : \"1\", 0, 10) * 1024 + len;\n"
    "  p = malloc(n + 1); if (!p) return 1; memset(p, 1, n + 1);\n"
    "  __asm__ volatile(\"\" ::\"r\"(p) : \"memory\"); free(p); calls++;\n"
    "  return hearth_printf(c, \"%s %s %s\", hearth_method(c), hearth_path(c),\n"
    "                       hearth_header(c, \"content-type\")); }\n";

static struct reply
tune(const struct daemon *d, const char *body)
{
    return http(d, &(struct request){.method = "POST",
                                     .path = "/v1/functions/touch/tune",
                                     .body = body,
                                     .len = strlen(body)});
}

static json_int_t
at(const struct reply *r, const char *object, const char *name)
{
    json_t *json = object != NULL ? json_object_get(r->json, object) : r->json;

    return json_integer_value(json_object_get(json, name));
}

static void
test_the_need_is_found_within_5_percent(void **state)
{
    static const int needs[] = {1 * KB, 7 * KB, 23 * KB};
    struct daemon *d = *state;

    deploy_ok(d, "touch", "memory=64M&max=2", toucher);
    for (size_t i = 0; i < sizeof needs / sizeof needs[0]; i++) {
        json_int_t need, known, overhead;
        char body[128];
        struct reply r;

        r = get(d, "/v1/functions/touch/memory");
        overhead = reply_number(&r, "overhead");
        reply_free(&r);
        (void)snprintf(body, sizeof body, "{\"payloads\": [{\"query\": \"kb=%d\"}]}", needs[i]);
        r = tune(d, body);
        if (r.status != 200)
            fail_msg("%ld %s", r.status, r.body);
        need = reply_number(&r, "need");
        known = (json_int_t)needs[i] * KB;
        /* an instance's own, which is less for those after the first, who read no file; and 256
         * KiB that the kernel charges ahead */
        if (need < known || need > known + known / 20 + overhead + 256 * KB ||
            at(&r, "bracket", "works") < need || reply_number(&r, "calls") > 40 ||
            reply_number(&r, "knee") < need)
            fail_msg("%d KiB, overhead %lld: %s", needs[i], (long long)overhead, r.body);
        if (needs[i] > 4 * KB && at(&r, "bracket", "fails") >= known)
            fail_msg("%s", r.body);
        reply_free(&r);
    }
}

static void
test_every_payload_counts_for_the_need(void **state)
{
    struct daemon *d = *state;
    struct reply r;
    json_t *steps, *step;
    json_int_t last = 0;
    size_t i;

    deploy_ok(d, "touch", "memory=64M&max=2", toucher);
    r = tune(d, "{\"payloads\": [{\"query\": \"kb=100\", \"weight\": 99},"
                "{\"query\": \"kb=9000\", \"body\": {\"a\": [1, 2]}, \"path\": \"/x\"},"
                "{\"method\": \"PUT\", \"body\": \"text\", \"type\": \"text/plain\"}],"
                "\"memory\": [\"24M\", \"48M\", 12582912, \"6M\"], \"weight\": 1}");
    if (r.status != 200 || reply_number(&r, "need") < 9000 * KB ||
        reply_number(&r, "need") > 10500 * KB || at(&r, "bracket", "fails") != 6 * MB ||
        at(&r, "bracket", "works") != 12 * MB || at(&r, "picks", "cost") < 12 * MB)
        fail_msg("%ld %s", r.status, r.body);
    assert_string_equal(reply_text(&r, "ended"), "memory_exceeded");
    steps = json_object_get(r.json, "steps");
    assert_int_equal(json_array_size(steps), 4);
    json_array_foreach (steps, i, step) {
        json_int_t memory = json_integer_value(json_object_get(step, "memory"));

        assert_true(i == 0 || memory < last); /* the largest first */
        last = memory;
    }
    reply_free(&r);
}

/* What it does is not seen by callers, nor in the figures of the function. */
static void
test_the_live_pool_is_left_alone(void **state)
{
    struct daemon *d = *state;
    struct reply r;

    deploy_ok(d, "touch", "memory=16M&max=1&min=1", toucher);
    expect_body(d, "/function/touch?count", "1");
    r = tune(d, "{\"payloads\": [{\"query\": \"kb=2000\"}], \"memory\": [\"8M\", \"16M\"]}");
    assert_int_equal(r.status, 200);
    reply_free(&r);
    expect_body(d, "/function/touch?count", "2"); /* by the same instance */
    r = get(d, "/v1/functions/touch");
    assert_int_equal(reply_number(&r, "calls"), 2);
    assert_int_equal(json_object_size(json_object_get(r.json, "errors")), 0);
    reply_free(&r);
    r = get(d, "/v1/functions/touch/memory");
    assert_int_equal(json_object_size(json_object_get(r.json, "ends")), 0);
    reply_free(&r);
}

static void
test_what_fails_is_said(void **state)
{
    static const struct {
        const char *body;
        long status;
        const char *word; /* the code, or why it ended */
    } rows[] = {
        {"{\"payloads\": [{\"query\": \"fail\"}]}", 200, "function_failed"},
        {"{\"payloads\": [{\"query\": \"sleep\"}]}", 200, "timeout"},
        {"{\"payloads\": [{\"query\": \"kb=90000\"}], \"memory\": [\"8M\"]}", 200,
         "memory_exceeded"},
        {"{\"calls\": 2}", 200, "calls"},
        {"{\"calls\": 0}", 400, "bad_setting"},
        {"{\"weight\": 2}", 400, "bad_setting"},
        {"{\"memory\": []}", 400, "bad_setting"},
        {"{\"memory\": [\"1K\"]}", 400, "bad_setting"},
        {"{\"memory\": [\"auto\"]}", 400, "bad_setting"},
        {"{\"payloads\": []}", 400, "bad_setting"},
        {"{\"payloads\": [{\"weight\": 0}]}", 400, "bad_setting"},
        {"{\"payloads\": [{\"path\": \"x\"}]}", 400, "bad_setting"},
        {"{\"payload\": []}", 400, "bad_setting"},
        {"7", 400, "bad_json"},
    };
    struct daemon *d = *state;

    deploy_ok(d, "touch", "memory=16M&max=1&timeout=300ms", toucher);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct reply r = tune(d, rows[i].body);

        if (r.status != rows[i].status ||
            strcmp(reply_text(&r, r.status == 200 ? "ended" : "code"), rows[i].word) != 0)
            fail_msg("%s: %ld %s", rows[i].body, r.status, r.body);
        reply_free(&r);
    }
}

static void
test_it_stays_inside_the_memory_budget(void **state)
{
    static const char *const options[] = {"--memory-budget", "64M", NULL};
    struct daemon d = {0};
    struct reply r;

    (void)state;
    daemon_start_with(&d, options);
    deploy_ok(&d, "touch", "memory=48M&min=1", toucher);
    wait_for_figure(&d, "touch", "instances", "idle", 1);
    r = tune(&d, "{\"memory\": [\"32M\"]}"); /* min keeps 48 of 64 */
    assert_int_equal(r.status, 503);
    assert_string_equal(reply_text(&r, "code"), "overloaded");
    reply_free(&r);
    r = tune(&d, "{\"memory\": [\"16M\", \"8M\"]}");
    assert_int_equal(r.status, 200);
    assert_string_equal(reply_text(&r, "ended"), "complete");
    reply_free(&r);
    daemon_remove(&d);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_need_is_found_within_5_percent),
        cmocka_unit_test(test_every_payload_counts_for_the_need),
        cmocka_unit_test(test_the_live_pool_is_left_alone),
        cmocka_unit_test(test_what_fails_is_said),
        cmocka_unit_test(test_it_stays_inside_the_memory_budget),
    };

    return RUN_TESTS("tune", tests, group_start, group_stop);
}
