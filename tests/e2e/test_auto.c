/* test_auto.c: memory "auto" follows what calls need, up and down; and the CPU follows memory. */
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness.h"
#include "run.h"

#define KB 1024
#define MB (1024 * KB)

static const char toucher[] =
    "#include <hearth.h>\n#include <stdlib.h>\n#include <string.h>\n"
    "int hearth_handle(hearth_call *c) {\n"
    "  const char *kb = hearth_query(c, \"kb\"); size_t n = strtoul(kb ? kb : \"1\", 0, 10) * "
    "1024;\n"
    "  char *p = malloc(n); if (!p) return 1; memset(p, 1, n);\n"
    "  __asm__ volatile(\"\" ::\"r\"(p) : \"memory\"); free(p); return 0; }\n";

/* The status of a call that uses so many KiB. */
static long
call(const struct daemon *d, const char *name, int kb)
{
    char path[64];
    struct reply r;
    long status;

    (void)snprintf(path, sizeof path, "/function/%s?kb=%d", name, kb);
    r = get(d, path);
    status = r.status;
    reply_free(&r);
    return status;
}

static json_int_t
limit_of(const struct daemon *d, const char *name)
{
    struct reply r = get_of(d, name, "memory");
    json_int_t limit = reply_number(&r, "limit");

    reply_free(&r);
    return limit;
}

struct range {
    const struct daemon *d;
    const char *name;
    json_int_t least, most;
    int kb; /* of the calls that go on meanwhile */
};

static bool
is_within(void *user)
{
    const struct range *range = user;
    static json_int_t last;
    json_int_t limit = limit_of(range->d, range->name);

    if (limit != last)
        print_message("# limit %lld\n", (long long)limit);
    last = limit;
    if (range->kb > 0)
        assert_int_equal(call(range->d, range->name, range->kb), 200);
    return limit >= range->least && limit <= range->most;
}

static void
expect_limit(const struct daemon *d, const char *name, json_int_t least, json_int_t most, int kb)
{
    struct range range = {d, name, least, most, kb};

    wait_for("a limit in range", is_within, &range);
}

static void
test_the_limit_comes_down_to_the_need_and_goes_up_with_it(void **state)
{
    const struct daemon *d = *state;
    struct reply r;

    deploy_ok(d, "grow", "memory=auto&memory_max=128M&max=1", toucher);
    r = get(d, "/v1/functions/grow");
    assert_string_equal(
        json_string_value(json_object_get(json_object_get(r.json, "settings"), "memory")), "auto");
    reply_free(&r);
    assert_int_equal(limit_of(d, "grow"), 64 * MB); /* as without auto */
    for (int i = 0; i < 150; i++)
        assert_int_equal(call(d, "grow", 7 * KB), 200);
    expect_limit(d, "grow", 7 * MB, 10 * MB, 7 * KB);
    /* more than that: one call dies, the next has twice the limit */
    assert_int_equal(call(d, "grow", 13 * KB), 502);
    assert_int_equal(call(d, "grow", 13 * KB), 200);
    expect_limit(d, "grow", 14 * MB, 20 * MB, 0);
    for (int i = 0; i < 300; i++)
        assert_int_equal(call(d, "grow", 13 * KB), 200);
    /* it goes down only to less than four fifths */
    expect_limit(d, "grow", 13 * MB, 20 * MB, 13 * KB);
    r = get(d, "/v1/functions/grow/logs?lines=1000");
    assert_non_null(strstr(r.body, "hearth: the memory limit goes from 67108864 to "));
    reply_free(&r);
}

static void
test_auto_stays_within_its_bounds_and_over_a_restart(void **state)
{
    struct daemon *d = *state;
    json_int_t before;
    struct reply r;

    deploy_ok(d, "bounded", "memory=auto&memory_min=12M&memory_max=20M&max=1", toucher);
    assert_int_equal(limit_of(d, "bounded"), 20 * MB);
    for (int i = 0; i < 3; i++) /* no loop, and no way beyond */
        assert_int_equal(call(d, "bounded", 30 * KB), 502);
    assert_int_equal(limit_of(d, "bounded"), 20 * MB);
    for (int i = 0; i < 350; i++)
        assert_int_equal(call(d, "bounded", 1 * KB), 200);
    expect_limit(d, "bounded", 12 * MB, 12 * MB, 1 * KB);
    r = patch(d, "/v1/functions/bounded", "{\"memory_min\": \"4M\"}");
    assert_int_equal(r.status, 200);
    reply_free(&r);
    expect_limit(d, "bounded", 4 * MB, 5 * MB, 1 * KB);
    before = limit_of(d, "bounded");
    assert_int_equal(daemon_stop(d), 0);
    daemon_start(d);
    assert_int_equal(limit_of(d, "bounded"), before);
    r = patch(d, "/v1/functions/bounded", "{\"memory_min\": \"1G\"}");
    assert_int_equal(r.status, 400);
    assert_string_equal(reply_text(&r, "setting"), "memory_min");
    reply_free(&r);
    r = patch(d, "/v1/functions/bounded", "{\"memory\": \"32M\"}");
    assert_int_equal(r.status, 200);
    reply_free(&r);
    assert_int_equal(limit_of(d, "bounded"), 32 * MB);
}

/* What is known before anything was measured, and after a death. */
static void
test_a_restart_changes_no_limit(void **state)
{
    struct daemon *d = *state;

    deploy_ok(d, "new", "memory=auto&memory_max=16M", toucher);
    deploy_ok(d, "dead", "memory=auto&memory_min=8M&memory_max=64M&max=1", toucher);
    for (int i = 0; i < 2; i++) {
        struct reply r = patch(d, "/v1/functions/dead", "{\"memory\": \"8M\"}");

        reply_free(&r);
        r = patch(d, "/v1/functions/dead", "{\"memory\": \"auto\"}");
        reply_free(&r);
    }
    assert_int_equal(limit_of(d, "dead"), 8 * MB);
    assert_int_equal(call(d, "dead", 1), 200);
    assert_int_equal(call(d, "dead", 20 * KB), 502);
    assert_int_equal(call(d, "dead", 20 * KB), 502);
    assert_int_equal(limit_of(d, "dead"), 32 * MB);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(limit_of(d, "new"), 16 * MB);
        assert_int_equal(limit_of(d, "dead"), 32 * MB);
        assert_int_equal(daemon_stop(d), 0);
        daemon_start(d);
    }
}

/* ---- cpu ---- */

static const char spinner[] =
    "#include <hearth.h>\n#include <time.h>\n"
    "int hearth_handle(hearth_call *c) { struct timespec t; volatile long n = 0; long end;\n"
    "  clock_gettime(CLOCK_MONOTONIC, &t); end = t.tv_sec * 1000 + t.tv_nsec / 1000000 + 3000;\n"
    "  do { for (int i = 0; i < 10000; i++) n++; clock_gettime(CLOCK_MONOTONIC, &t); }\n"
    "  while (t.tv_sec * 1000 + t.tv_nsec / 1000000 < end); return 0; }\n";

/* Milliseconds of CPU time of the one instance. */
static double
cpu_of(const struct daemon *d, const char *name)
{
    struct reply r = get_of(d, name, "instances");
    json_t *first = json_array_get(json_object_get(r.json, "instances"), 0);
    double cpu = json_number_value(json_object_get(first, "cpu"));

    reply_free(&r);
    return cpu;
}

static int
begin(const struct daemon *d, const char *name)
{
    char request[128];
    int fd = raw_connect(d);

    (void)snprintf(request, sizeof request, "GET /function/%s HTTP/1.1\r\nHost: x\r\n\r\n", name);
    raw_send(fd, request, strlen(request));
    return fd;
}

static void
end(int fd)
{
    char *got = raw_receive(fd, "\r\n\r\n");

    if (strstr(got, " 200 OK") == NULL)
        fail_msg("%s", got);
    free(got);
    (void)close(fd);
}

/* Moves the one instance to the first core that this process may use. */
static void
pin(const struct daemon *d, const char *name)
{
    cpu_set_t all, one;
    int core = 0;

    assert_int_equal(sched_getaffinity(0, sizeof all, &all), 0);
    while (!CPU_ISSET(core, &all))
        core++;
    CPU_ZERO(&one);
    CPU_SET(core, &one);
    assert_int_equal(sched_setaffinity(instance_pid(d, name), sizeof one, &one), 0);
}

/* Two busy functions on one core: one gets CPU time in proportion to its memory, four times that of
 * the other; also after the limits were exchanged. */
static void
test_cpu_time_is_shared_in_proportion_to_memory(void **state)
{
    static const char *const names[] = {"small", "large"};
    const struct daemon *d = *state;

    deploy_ok(d, "small", "memory=64M&max=1&min=1&timeout=20s", spinner);
    deploy_ok(d, "large", "memory=256M&max=1&min=1&timeout=20s", spinner);
    for (int round = 0; round < 2; round++) {
        double before[2], used[2], ratio;
        struct reply r;
        int fds[2];

        for (int i = 0; i < 2; i++) {
            wait_for_figure(d, names[i], "instances", "idle", 1);
            fds[i] = begin(d, names[i]);
            wait_for_figure(d, names[i], "instances", "busy", 1);
            pin(d, names[i]);
        }
        for (int i = 0; i < 2; i++)
            before[i] = cpu_of(d, names[i]);
        (void)poll(NULL, 0, 2000); /* the time that is measured */
        for (int i = 0; i < 2; i++)
            used[i] = cpu_of(d, names[i]) - before[i];
        ratio = round == 0 ? used[1] / used[0] : used[0] / used[1];
        if (ratio < 4 * 0.85 || ratio > 4 * 1.15)
            fail_msg("round %d: %.0f and %.0f ms: 1 to %.2f", round, used[0], used[1], ratio);
        for (int i = 0; i < 2; i++)
            end(fds[i]);
        r = patch(d, "/v1/functions/small", "{\"memory\": \"256M\"}");
        reply_free(&r);
        r = patch(d, "/v1/functions/large", "{\"memory\": \"64M\"}");
        reply_free(&r);
    }
}

static void
test_a_cap_holds_and_can_be_lifted(void **state)
{
    const struct daemon *d = *state;
    double before, after;
    struct reply r;

    deploy_ok(d, "capped", "memory=16M&max=1&timeout=20s&cpu=0.2", spinner);
    end(begin(d, "capped"));
    after = cpu_of(d, "capped");
    if (after > 3000 * 0.2 * 1.3)
        fail_msg("%.0f ms of CPU time in 3 s with a cap of 0.2 cores", after);
    r = get(d, "/v1/functions/capped");
    assert_true(json_number_value(json_object_get(json_object_get(r.json, "settings"), "cpu")) ==
                0.2);
    reply_free(&r);
    r = patch(d, "/v1/functions/capped", "{\"cpu\": null}");
    assert_int_equal(r.status, 200);
    assert_true(json_is_null(json_object_get(json_object_get(r.json, "settings"), "cpu")));
    reply_free(&r);
    before = cpu_of(d, "capped");
    end(begin(d, "capped"));
    after = cpu_of(d, "capped");
    if (after - before < 3000 * 0.2 * 1.3)
        fail_msg("%.0f ms of CPU time in 3 s without a cap", after - before);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_limit_comes_down_to_the_need_and_goes_up_with_it),
        cmocka_unit_test(test_auto_stays_within_its_bounds_and_over_a_restart),
        cmocka_unit_test(test_a_restart_changes_no_limit),
        cmocka_unit_test(test_cpu_time_is_shared_in_proportion_to_memory),
        cmocka_unit_test(test_a_cap_holds_and_can_be_lifted),
    };

    return RUN_TESTS("auto", tests, group_start, group_stop);
}
