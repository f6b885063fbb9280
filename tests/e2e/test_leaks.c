/* test_leaks.c: a function that keeps memory from call to call is found, and no call fails of it; a
 * cache is not accused. With the functions of examples/. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness.h"
#include "run.h"

static void
example(const struct daemon *d, const char *name, const char *settings)
{
    char path[512];

    (void)snprintf(path, sizeof path, "%s/%s.c", getenv("HEARTH_EXAMPLES"), name);
    deploy_file(d, name, settings, path);
}

/* Sends `count` requests on one connection, a hundred at a time, and returns how many were answered
 * with 200. print: writes the request number i. */
static int
call_many(const struct daemon *d, int count, int (*print)(char *text, size_t n, int i))
{
    enum { AT_ONCE = 100 };
    int fd = raw_connect(d), good = 0;

    for (int i = 0; i < count; i += AT_ONCE) {
        char text[AT_ONCE * 96], *got, *at;
        size_t n = 0;
        int seen = 0;

        for (int k = 0; k < AT_ONCE; k++)
            n += (size_t)print(text + n, sizeof text - n, i + k);
        /* the last response of a batch is known by its body */
        n +=
            (size_t)snprintf(text + n, sizeof text - n, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
        raw_send(fd, text, n);
        got = raw_receive(fd, "\r\n\r\nok\n");
        for (at = got; (at = strstr(at, "HTTP/1.1 200 OK")) != NULL; at++)
            seen++;
        seen--; /* that one */
        if (seen < AT_ONCE && good + seen < 500)
            print_message("# %s\n", got);
        good += seen;
        free(got);
    }
    (void)close(fd);
    return good;
}

static int
leaking_request(char *text, size_t n, int i)
{
    return snprintf(text, n, "GET /function/leak?text=%d HTTP/1.1\r\nHost: x\r\n\r\n", i);
}

static int
caching_request(char *text, size_t n, int i)
{
    return snprintf(text, n, "GET /function/cache?n=%d HTTP/1.1\r\nHost: x\r\n\r\n",
                    3000 + i * 7919 % 300);
}

static json_t *
leak_of(struct reply *r, const struct daemon *d, const char *name)
{
    *r = get_of(d, name, "memory");
    return json_object_get(r->json, "leak");
}

static void
test_a_leak_of_1_kib_a_call_is_found_within_500_calls(void **state)
{
    const struct daemon *d = *state;
    json_int_t bytes;
    struct reply r;
    json_t *leak;

    example(d, "leak", "memory=32M&max=1");
    for (int i = 0; i < 500; i++) {
        r = get(d, "/function/leak?text=x");
        assert_int_equal(r.status, 200);
        reply_free(&r);
    }
    leak = leak_of(&r, d, "leak");
    bytes = json_integer_value(json_object_get(leak, "bytes_per_call"));
    if (!json_is_true(json_object_get(leak, "suspected")) || bytes < 820 || bytes > 1230 ||
        json_integer_value(json_object_get(leak, "since_version")) != 1)
        fail_msg("%s", r.body);
    reply_free(&r);
    r = get(d, "/metrics");
    assert_non_null(strstr(r.body, "hearth_memory_leak_bytes_per_call{function=\"leak\"} 10"));
    reply_free(&r);
}

static void
test_no_call_through_a_leaking_function_fails(void **state)
{
    enum { CALLS = 200000 };
    const struct daemon *d = *state;
    json_int_t recycled;
    struct reply r;
    json_t *leak;
    int good;

    example(d, "leak", "memory=16M&max=2&queue_timeout=30s&timeout=30s");
    good = call_many(d, CALLS, leaking_request);
    if (good != CALLS)
        fail_msg("%d of %d calls", good, CALLS);
    leak = leak_of(&r, d, "leak");
    recycled =
        json_integer_value(json_object_get(json_object_get(r.json, "ends"), "recycled_memory"));
    if (!json_is_true(json_object_get(leak, "suspected")) || recycled < CALLS / 16384 / 2)
        fail_msg("%s", r.body);
    print_message("# %d instances were replaced\n", (int)recycled);
    reply_free(&r);
}

static void
test_a_cache_that_levels_off_is_not_accused(void **state)
{
    const struct daemon *d = *state;
    struct reply r;

    example(d, "cache", "memory=32M&max=1&queue_timeout=30s&timeout=30s");
    for (int round = 0; round < 100; round++) {
        assert_int_equal(call_many(d, 1000, caching_request), 1000);
        if (json_is_true(json_object_get(leak_of(&r, d, "cache"), "suspected")))
            fail_msg("after %d calls: %s", (round + 1) * 1000, r.body);
        reply_free(&r);
    }
}

static void
test_arena_sorts_lines_and_keeps_nothing(void **state)
{
    const struct daemon *d = *state;

    example(d, "arena", "memory=16M&max=1");
    for (int i = 0; i < 600; i++) {
        struct reply r = post(d, "/function/arena", "pear\napple\nfig", 14);

        assert_int_equal(r.status, 200);
        assert_string_equal(r.body, "apple\nfig\npear\n");
        reply_free(&r);
    }
    {
        struct reply r;

        if (!json_is_false(json_object_get(leak_of(&r, d, "arena"), "suspected")))
            fail_msg("%s", r.body);
        reply_free(&r);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_leak_of_1_kib_a_call_is_found_within_500_calls),
        cmocka_unit_test(test_no_call_through_a_leaking_function_fails),
        cmocka_unit_test(test_a_cache_that_levels_off_is_not_accused),
        cmocka_unit_test(test_arena_sorts_lines_and_keeps_nothing),
    };

    return RUN_TESTS("leaks", tests, group_start, group_stop);
}
