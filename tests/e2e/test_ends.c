/* test_ends.c: every end of an instance has a reason, counted in …/memory and in /metrics. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "run.h"

static const char worker[] =
    "#include <hearth.h>\n#include <stdlib.h>\n#include <string.h>\n#include <time.h>\n"
    "#include <unistd.h>\n#include <sys/syscall.h>\n"
    "char *volatile kept;\n"
    "int hearth_handle(hearth_call *c) {\n"
    "  const char *kib = hearth_query(c, \"kib\");\n"
    "  if (kib) { size_t n = strtoul(kib, 0, 10) * 1024; kept = malloc(n); memset(kept, 1, n); }\n"
    "  if (hearth_query(c, \"crash\")) abort();\n"
    "  if (hearth_query(c, \"exit\")) _exit(3);\n"
    "  if (hearth_query(c, \"forbidden\")) syscall(SYS_ptrace, 0, 0, 0, 0);\n"
    "  if (hearth_query(c, \"sleep\")) { struct timespec t = {20, 0}; nanosleep(&t, 0); }\n"
    "  return hearth_printf(c, \"done\"); }\n";

struct wanted {
    const struct daemon *d;
    const char *name, *reason;
    json_int_t count;
};

static json_int_t
count_of(const struct daemon *d, const char *name, const char *reason)
{
    struct reply r = get_of(d, name, "memory");
    json_int_t count = json_integer_value(json_object_get(json_object_get(r.json, "ends"), reason));

    reply_free(&r);
    return count;
}

static bool
is_counted(void *user)
{
    const struct wanted *w = user;

    return count_of(w->d, w->name, w->reason) >= w->count;
}

static void
expect_end(const struct daemon *d, const char *name, const char *reason, json_int_t count)
{
    struct wanted w = {d, name, reason, count};

    wait_for(reason, is_counted, &w);
    assert_int_equal(count_of(d, name, reason), count);
}

static void
call(const struct daemon *d, const char *path)
{
    struct reply r = get(d, path);

    reply_free(&r);
}

static void
change(const struct daemon *d, const char *path, const char *json)
{
    struct reply r = patch(d, path, json);

    if (r.status != 200)
        fail_msg("PATCH %s %s: %ld %s", path, json, r.status, r.body);
    reply_free(&r);
}

static void
expect_log(const struct daemon *d, const char *name, const char *text)
{
    char path[128];
    struct reply r;

    (void)snprintf(path, sizeof path, "/v1/functions/%s/logs?lines=1000", name);
    r = get(d, path);
    if (strstr(r.body, text) == NULL)
        fail_msg("no line with \"%s\" in %s", text, r.body);
    reply_free(&r);
}

static void
test_an_instance_that_is_not_needed_ends_idle_surplus_or_deployed(void **state)
{
    const struct daemon *d = *state;

    deploy_ok(d, "calm", "memory=16M&min=2", worker);
    wait_for_figure(d, "calm", "instances", "idle", 2);
    change(d, "/v1/functions/calm", "{\"min\": 0, \"max\": 1}");
    expect_end(d, "calm", "surplus", 1);
    change(d, "/v1/functions/calm", "{\"idle_timeout\": \"50ms\"}");
    expect_end(d, "calm", "idle", 1);
    change(d, "/v1/functions/calm", "{\"idle_timeout\": \"60s\"}");
    call(d, "/function/calm");
    deploy_ok(d, "calm", "", worker);
    expect_end(d, "calm", "deployed", 1);
    call(d, "/function/calm");
    change(d, "/v1/functions/calm", "{\"recycle_calls\": 1}");
    call(d, "/function/calm");
    expect_end(d, "calm", "recycled_calls", 1);
}

static void
test_an_instance_that_fails_ends_for_what_it_did(void **state)
{
    static const struct {
        const char *query, *reason, *line;
    } rows[] = {
        {"crash", "crashed", "the instance ended: crashed: SIGABRT"},
        {"exit", "crashed", "the instance ended: crashed: it exited with status 3"},
        {"forbidden", "forbidden_syscall", "forbidden_syscall: it made the system call ptrace"},
        {"sleep", "timeout", "the instance ended: timeout"},
        {"kib=30000", "memory_exceeded", "memory_exceeded: the kernel killed it at its limit of "},
        {"kib=15000", "recycled_memory", "the instance ended: recycled_memory: after a call"},
    };
    const struct daemon *d = *state;

    deploy_ok(d, "wild", "memory=16M&max=1&timeout=300ms", worker);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        json_int_t before = count_of(d, "wild", rows[i].reason);
        char path[64];

        (void)snprintf(path, sizeof path, "/function/wild?%s", rows[i].query);
        call(d, path);
        expect_end(d, "wild", rows[i].reason, before + 1);
        expect_log(d, "wild", rows[i].line);
    }
}

/* Another function needs the memory. */
static void
test_an_idle_instance_that_makes_room_is_evicted(void **state)
{
    static const char *const options[] = {"--memory-budget", "64M", NULL};
    struct daemon d = {0};
    struct reply r;

    (void)state;
    daemon_start_with(&d, options);
    deploy_ok(&d, "a", "memory=48M", worker);
    call(&d, "/function/a");
    deploy_ok(&d, "b", "memory=48M", worker);
    call(&d, "/function/b");
    expect_end(&d, "a", "evicted", 1);
    r = get(&d, "/metrics");
    assert_non_null(
        strstr(r.body, "hearth_instance_ends_total{function=\"a\",reason=\"evicted\"} 1"));
    reply_free(&r);
    daemon_remove(&d);
}

/* The folder of the control group above that of a process. */
static void
group_above(pid_t pid, char *path, size_t n)
{
    char file[64], *text, *line, *save = NULL;
    size_t len;

    (void)snprintf(file, sizeof file, "/proc/%d/cgroup", (int)pid);
    text = read_whole(file, &len);
    path[0] = '\0';
    for (line = strtok_r(text, "\n", &save); line != NULL; line = strtok_r(NULL, "\n", &save)) {
        if (strstr(line, ":memory:") != NULL)
            (void)snprintf(path, n, "/sys/fs/cgroup/memory%s", strchr(line, '/'));
        else if (strncmp(line, "0::", 3) == 0 && path[0] == '\0')
            (void)snprintf(path, n, "/sys/fs/cgroup%s", strchr(line, '/'));
    }
    free(text);
    assert_true(strrchr(path, '/') != path);
    *strrchr(path, '/') = '\0';
}

static void
set_group_limit(const char *group, long long bytes)
{
    static const char *const files[] = {"memory.limit_in_bytes", "memory.max"};
    char path[512];
    int written = 0;

    for (size_t i = 0; i < 2; i++) {
        FILE *file;

        (void)snprintf(path, sizeof path, "%s/%s", group, files[i]);
        file = fopen(path, "r+e");
        if (file == NULL)
            continue;
        (void)fprintf(file, "%lld", bytes);
        written += fclose(file) == 0;
    }
    assert_int_equal(written, 1);
}

/* Its own limit; then that of the group of all instances, which is lowered here. */
static void
test_memory_exceeded_names_whose_limit_it_was(void **state)
{
    struct daemon d = {0};
    char group[512];
    struct reply r;

    (void)state;
    daemon_start(&d);
    deploy_ok(&d, "large", "memory=64M&max=1&recycle_memory=100", worker);
    r = get(&d, "/function/large?kib=80000");
    assert_string_equal(reply_text(&r, "code"), "memory_exceeded");
    assert_string_equal(reply_text(&r, "killer"), "limit");
    assert_int_equal(reply_number(&r, "limit"), 64 << 20);
    reply_free(&r);
    call(&d, "/function/large");
    group_above(instance_pid(&d, "large"), group, sizeof group);
    set_group_limit(group, 32 << 20);
    r = get(&d, "/function/large?kib=50000");
    if (strcmp(reply_text(&r, "code"), "memory_exceeded") != 0 ||
        strcmp(reply_text(&r, "killer"), "budget") != 0 || reply_number(&r, "peak") > 40 << 20)
        fail_msg("%s", r.body);
    reply_free(&r);
    expect_end(&d, "large", "memory_exceeded", 1);
    expect_end(&d, "large", "host_memory", 1);
    expect_log(&d, "large", "host_memory: all instances and builds together");
    daemon_remove(&d);
}

/* Killed from outside, without any group of ours at its limit, and the host has memory: that was no
 * daemon that watches it. */
static void
test_an_idle_instance_that_is_killed_has_crashed(void **state)
{
    const struct daemon *d = *state;

    deploy_ok(d, "victim", "memory=16M&min=1", worker);
    wait_for_figure(d, "victim", "instances", "idle", 1);
    assert_int_equal(kill(instance_pid(d, "victim"), SIGKILL), 0);
    expect_end(d, "victim", "crashed", 1);
    expect_log(d, "victim", "the instance ended: crashed: SIGKILL");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_instance_that_is_not_needed_ends_idle_surplus_or_deployed),
        cmocka_unit_test(test_an_instance_that_fails_ends_for_what_it_did),
        cmocka_unit_test(test_an_idle_instance_that_makes_room_is_evicted),
        cmocka_unit_test(test_memory_exceeded_names_whose_limit_it_was),
        cmocka_unit_test(test_an_idle_instance_that_is_killed_has_crashed),
    };

    return RUN_TESTS("ends", tests, group_start, group_stop);
}
