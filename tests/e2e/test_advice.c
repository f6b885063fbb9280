/* test_advice.c: GET …/memory says what calls have used, by the kernel's account, and advises a
 * limit under which the same calls live. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness.h"
#include "run.h"

#define KB      1024
#define MB      (1024 * KB)
#define LEAST   (4 * MB)   /* the least limit there is */
#define CHARGED (256 * KB) /* by the kernel ahead of use, for each core */

/* Uses `kb` KiB, and two bytes for each byte of the body, and gives them back. */
static const char toucher[] =
    "#include <hearth.h>\n#include <stdlib.h>\n#include <string.h>\n"
    "int hearth_handle(hearth_call *c) {\n"
    "  const char *kb = hearth_query(c, \"kb\"); size_t len = 0, n; char *p;\n"
    "  (void)hearth_body(c, &len); n = strtoul(kb, 0, 10) * 1024 + len; p = malloc(n + 1);\n"
    "  if (!p) return 1; memset(p, 1, n + 1); __asm__ volatile(\"\" ::\"r\"(p) : \"memory\"); "
    "free(p); return hearth_printf(c, \"ok\"); }\n";

static void
call(const struct daemon *d, int kb, const void *body, size_t len)
{
    char path[64];
    struct reply r;

    (void)snprintf(path, sizeof path, "/function/touch?kb=%d", kb);
    r = post(d, path, body, len);
    if (r.status != 200)
        fail_msg("%s: %ld %s", path, r.status, r.body);
    reply_free(&r);
}

static struct reply
memory(const struct daemon *d)
{
    struct reply r = get(d, "/v1/functions/touch/memory");

    if (r.status != 200 || r.json == NULL)
        fail_msg("%ld %s", r.status, r.body);
    return r;
}

/* A number below an object of the answer. */
static json_int_t
number(const struct reply *r, const char *object, const char *name)
{
    json_t *value = json_object_get(json_object_get(r->json, object), name);

    if (!json_is_integer(value))
        fail_msg("%s.%s is no number: %s", object, name, r->body);
    return json_integer_value(value);
}

static const char *
text(const struct reply *r, const char *object, const char *name)
{
    const char *value = json_string_value(json_object_get(json_object_get(r->json, object), name));

    if (value == NULL)
        fail_msg("%s.%s is no text: %s", object, name, r->body);
    return value;
}

/* What call i needs, in KiB. */
typedef int (*need_fn)(int i);

static int
need_1(int i)
{
    (void)i;
    return 1 * KB;
}

static int
need_7(int i)
{
    (void)i;
    return 7 * KB;
}

static int
need_23(int i)
{
    (void)i;
    return 23 * KB;
}

static int
need_mixture(int i)
{
    return i == 100 ? 11 * KB : (i % 10 == 3 ? 6 * KB : 2 * KB);
}

static int
need_ramp(int i)
{
    return 4 * KB + 16 * i;
}

/* Calls to learn from, and calls that must live. In the emulated machine a call takes 20 times as
 * long. */
static int
learned_calls(void)
{
    return harness_patience() > 1 ? 120 : 500;
}

static int
lived_calls(need_fn need)
{
    if (harness_patience() > 1)
        return 120;
    return need == need_mixture ? 10000 : 500;
}

static void
test_the_advice_is_enough_and_not_much_more(void **state)
{
    static const need_fn needs[] = {need_1, need_23, need_7, need_mixture, need_ramp};
    const struct daemon *d = *state;
    int calls = learned_calls(), cores = (int)sysconf(_SC_NPROCESSORS_ONLN);

    for (size_t k = harness_patience() > 1 ? 2 : 0; k < sizeof needs / sizeof needs[0]; k++) {
        json_int_t most = 0, overhead, advised;
        char settings[64];
        struct reply r;

        deploy_ok(d, "touch", "memory=64M&max=2", toucher);
        for (int i = 0; i < calls; i++) {
            call(d, needs[k](i), NULL, 0);
            most = needs[k](i) > most ? needs[k](i) : most;
        }
        most *= KB;
        r = memory(d);
        overhead = reply_number(&r, "overhead");
        advised = number(&r, "advice", "memory");
        if (number(&r, "calls", "count") != calls || overhead <= 0 || overhead > 2 * MB ||
            number(&r, "calls", "max") < most ||
            number(&r, "calls", "max") > most + overhead + most / 10 + cores * CHARGED ||
            advised < most ||
            (advised > most / 100 * 115 + overhead + overhead / 2 + CHARGED && advised > LEAST) ||
            strcmp(text(&r, "advice", "finding"), "over_provisioned") != 0)
            fail_msg("%d KiB at most: %s", (int)(most / KB), r.body);
        reply_free(&r);

        (void)snprintf(settings, sizeof settings, "{\"memory\": %lld}", (long long)advised);
        r = patch(d, "/v1/functions/touch", settings);
        assert_int_equal(r.status, 200);
        reply_free(&r);
        for (int i = 0; i < lived_calls(needs[k]); i++)
            call(d, needs[k](i % calls), NULL, 0);
        r = memory(d);
        if (strcmp(text(&r, "advice", "finding"), "optimized") != 0)
            fail_msg("with the advised limit: %s", r.body);
        reply_free(&r);
    }
}

static void
test_a_peak_that_follows_the_body_is_said(void **state)
{
    const struct daemon *d = *state;
    char *body = calloc(1, 2 * MB);
    struct reply r;
    json_t *by;

    assert_non_null(body);
    memset(body, 'x', 2 * MB);
    deploy_ok(d, "touch", "memory=64M&max=1&max_body=4M", toucher);
    for (int i = 0; i < 60; i++)
        call(d, 100, body, (size_t)(i * 7919 % 61 + 1) * 32 * KB);
    r = memory(d);
    by = json_object_get(r.json, "by_body");
    if (strcmp(text(&r, "calls", "source"), "cgroup") ==
        0) { /* else a call has no peak of its own */
        double per_byte = json_number_value(json_object_get(by, "per_byte"));

        if (per_byte < 1.8 || per_byte > 2.2 ||
            json_number_value(json_object_get(by, "correlation")) < 0.7 ||
            number(&r, "by_body", "largest_body") < 20 * MB)
            fail_msg("%s", r.body);
    }
    reply_free(&r);
    free(body);
}

static void
test_after_a_death_for_memory_more_is_advised(void **state)
{
    const struct daemon *d = *state;
    struct reply r;

    deploy_ok(d, "touch", "memory=8M&max=1&max_body=1M", toucher);
    for (int i = 0; i < 30; i++)
        call(d, 100, NULL, 0);
    r = get(d, "/function/touch?kb=20000");
    assert_int_equal(r.status, 502);
    assert_string_equal(reply_text(&r, "code"), "memory_exceeded");
    assert_int_equal(reply_number(&r, "advice"), 16 * MB);
    reply_free(&r);
    r = memory(d);
    assert_string_equal(text(&r, "advice", "finding"), "under_provisioned");
    assert_int_equal(number(&r, "advice", "memory"), 16 * MB);
    assert_true(json_is_null(json_object_get(json_object_get(r.json, "advice"), "need")));
    reply_free(&r);
}

/* The number of a header field of the response to a call; -1: it has none. */
static long long
reported(const struct daemon *d, int kb, bool wanted, const char *name)
{
    const char *fields[] = {wanted ? "X-Hearth-Report: memory" : NULL, NULL};
    char path[64], value[32];
    const char *got;
    struct reply r;
    long long bytes;

    (void)snprintf(path, sizeof path, "/function/touch?kb=%d", kb);
    r = http(d, &(struct request){.path = path, .fields = fields});
    assert_int_equal(r.status, 200);
    got = reply_field(&r, name, value, sizeof value);
    bytes = got != NULL ? atoll(got) : -1;
    reply_free(&r);
    return bytes;
}

static void
test_a_call_tells_what_it_used_if_it_is_asked(void **state)
{
    const struct daemon *d = *state;
    long long large, small;
    struct reply r;

    deploy_ok(d, "touch", "memory=32M&max=1", toucher);
    assert_int_equal(reported(d, 100, false, "X-Memory-Peak"), -1);
    large = reported(d, 9 * KB, true, "X-Memory-Peak");
    small = reported(d, 2 * KB, true, "X-Memory-Peak");
    assert_in_range(large, 9 * MB, 11 * MB);
    r = memory(d);
    if (strcmp(text(&r, "calls", "source"), "cgroup") == 0) /* else it is that of before, too */
        assert_in_range(small, 2 * MB, 4 * MB);
    reply_free(&r);
    assert_int_equal(reported(d, 100, true, "X-Memory-Limit"), 32 * MB);
    assert_int_equal(reported(d, 100, false, "X-Memory-Limit"), -1);
}

static void
test_there_is_no_advice_without_calls(void **state)
{
    const struct daemon *d = *state;
    struct reply r;

    deploy_ok(d, "touch", "memory=16M", toucher);
    r = http(d, &(struct request){.method = "DELETE", .path = "/v1/functions/touch"});
    reply_free(&r);
    deploy_ok(d, "touch", "memory=16M", toucher);
    r = memory(d);
    assert_string_equal(text(&r, "advice", "finding"), "insufficient_data");
    assert_true(json_is_null(json_object_get(json_object_get(r.json, "advice"), "memory")));
    assert_true(json_is_null(json_object_get(json_object_get(r.json, "calls"), "source")));
    assert_int_equal(number(&r, "calls", "count"), 0);
    reply_free(&r);
}

static void
test_what_was_measured_is_kept_over_a_restart(void **state)
{
    struct daemon *d = *state;
    json_int_t before, max;
    char source[16];
    struct reply r;

    deploy_ok(d, "touch", "memory=32M&max=1", toucher);
    for (int i = 0; i < 40; i++)
        call(d, 3 * KB, NULL, 0);
    r = memory(d);
    before = number(&r, "advice", "memory");
    max = number(&r, "calls", "max");
    (void)snprintf(source, sizeof source, "%s", text(&r, "calls", "source"));
    reply_free(&r);
    assert_int_equal(daemon_stop(d), 0);
    daemon_start(d);
    r = memory(d);
    assert_int_equal(number(&r, "calls", "count"), 40);
    assert_int_equal(number(&r, "calls", "max"), max);
    assert_int_equal(number(&r, "advice", "memory"), before);
    assert_string_equal(text(&r, "calls", "source"), source);
    reply_free(&r);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_advice_is_enough_and_not_much_more),
        cmocka_unit_test(test_a_peak_that_follows_the_body_is_said),
        cmocka_unit_test(test_after_a_death_for_memory_more_is_advised),
        cmocka_unit_test(test_a_call_tells_what_it_used_if_it_is_asked),
        cmocka_unit_test(test_there_is_no_advice_without_calls),
        cmocka_unit_test(test_what_was_measured_is_kept_over_a_restart),
    };

    return RUN_TESTS("advice", tests, group_start, group_stop);
}
