/* test_logs.c: the log of a function: in order, with its marks; on disk over restarts and crashes,
 * bounded; read by time, level and call. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness.h"
#include "run.h"

static const char talker[] =
    "#include <hearth.h>\n#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n"
    "int hearth_handle(hearth_call *c) {\n"
    "  const char *say = hearth_query(c, \"say\"), *n = hearth_query(c, \"n\");\n"
    "  if (say) { printf(\"out %s\\n\", say); fflush(stdout);\n"
    "    hearth_log(c, HEARTH_WARNING, \"log %s\", say); fprintf(stderr, \"err %s\\n\", say); }\n"
    "  for (int i = 0; n && i < atoi(n); i++)\n"
    "    hearth_log(c, HEARTH_INFO, \"line %d of a flood, and some more text behind it\", i);\n"
    "  if (hearth_query(c, \"half\")) { printf(\"no newline\"); fflush(stdout); }\n"
    "  if (hearth_query(c, \"crash\")) { printf(\"before the crash\"); fflush(stdout); abort(); }\n"
    "  return hearth_printf(c, \"ok\"); }\n";

/* Without init and without a newline. */
static const char early[] =
    "#include <hearth.h>\n#include <stdio.h>\n"
    "__attribute__((constructor)) static void begin(void) { printf(\"constructed\"); }\n"
    "int hearth_handle(hearth_call *c) { printf(\"called\\n\"); return hearth_printf(c, \"ok\"); "
    "}\n";

/* The text of …/logs?QUERY, from malloc. */
static char *
logs(const struct daemon *d, const char *name, const char *query)
{
    char path[256], *text;
    struct reply r;

    (void)snprintf(path, sizeof path, "/v1/functions/%s/logs?%s", name, query);
    r = get(d, path);
    if (r.status != 200)
        fail_msg("%s: %ld %s", path, r.status, r.body);
    text = strdup(r.body);
    reply_free(&r);
    return text;
}

/* The messages of …/logs?QUERY, each followed by '|'. */
static const char *
messages(const struct daemon *d, const char *name, const char *query)
{
    static char all[8192];
    size_t used = 0;
    char *text = logs(d, name, query), *rest = text, *line;

    all[0] = '\0';
    while ((line = strsep(&rest, "\n")) != NULL && *line != '\0') {
        json_t *json = json_loads(line, 0, NULL);

        assert_non_null(json);
        used += (size_t)snprintf(all + used, sizeof all - used, "%s|",
                                 json_string_value(json_object_get(json, "message")));
        assert_true(used < sizeof all);
        json_decref(json);
    }
    free(text);
    return all;
}

static void
call_ok(const struct daemon *d, const char *path)
{
    struct reply r = get(d, path);

    if (r.status != 200)
        fail_msg("%s: %ld %s", path, r.status, r.body);
    reply_free(&r);
}

static void
test_lines_are_in_order_and_survive_a_restart(void **state)
{
    struct daemon d = {0};
    struct reply r;
    char *before, *after;

    (void)state;
    daemon_start(&d);
    deploy_ok(&d, "f", "memory=16M&max=1", talker);
    call_ok(&d, "/function/f?say=one");
    call_ok(&d, "/function/f?half=1");
    call_ok(&d, "/function/f?say=two");
    r = get(&d, "/function/f?crash=1");
    assert_int_equal(r.status, 502);
    reply_free(&r);
    assert_non_null(strstr(messages(&d, "f", "lines=100"),
                           "out one|log one|err one|no newline|out two|log two|err two|before the "
                           "crash|"));
    before = logs(&d, "f", "lines=100");
    assert_int_equal(daemon_stop(&d), 0);
    daemon_start(&d);
    after = logs(&d, "f", "lines=100");
    if (strncmp(before, after, strlen(before)) != 0) /* an idle instance's end may follow */
        fail_msg("%s\nis now\n%s", before, after);
    call_ok(&d, "/function/f?say=three");
    assert_non_null(strstr(messages(&d, "f", "lines=3"), "out three|log three|err three|"));
    free(before);
    free(after);
    daemon_remove(&d);
}

static void
expect_refused(const struct daemon *d, const char *query, const char *setting)
{
    char path[256];
    struct reply r;

    (void)snprintf(path, sizeof path, "/v1/functions/f/logs?%s", query);
    r = get(d, path);
    assert_int_equal(r.status, 400);
    assert_string_equal(reply_text(&r, "code"), "bad_setting");
    assert_string_equal(reply_text(&r, "setting"), setting);
    reply_free(&r);
}

static void
test_lines_are_chosen_by_level_call_and_time(void **state)
{
    const struct daemon *d = *state;
    const char *const id[] = {"X-Call-Id: the-one", NULL};
    struct reply r;

    deploy_ok(d, "f", "memory=16M&max=1", talker);
    call_ok(d, "/function/f?say=early");
    r = http(d, &(struct request){.path = "/function/f?say=mine", .fields = id});
    assert_int_equal(r.status, 200);
    reply_free(&r);
    call_ok(d, "/function/f?say=late");
    assert_string_equal(messages(d, "f", "call=the-one"), "out mine|log mine|err mine|");
    assert_string_equal(messages(d, "f", "call=the-one&level=warning"), "log mine|");
    assert_string_equal(messages(d, "f", "call=none"), "");
    assert_non_null(strstr(messages(d, "f", "since=10m&lines=4"), "err mine|out late|"));
    assert_string_equal(messages(d, "f", "since=2099-01-01T00:00:00Z"), "");
    assert_non_null(strstr(messages(d, "f", "since=2020-01-01T00:00:00%2B01:00"), "out early|"));
    expect_refused(d, "level=loud", "level");
    expect_refused(d, "since=yesterday", "since");
    expect_refused(d, "call=", "call");
    expect_refused(d, "lines=100001", "lines");
    expect_refused(d, "lines=1&lines=2", "lines");
    expect_refused(d, "color=1", "color");
}

/* Bytes in both files. */
static int64_t
on_disk(const struct daemon *d, const char *name)
{
    static const char *const files[] = {"log", "log.old"};
    int64_t all = 0;

    for (int i = 0; i < 2; i++) {
        char path[256];
        struct stat st;

        (void)snprintf(path, sizeof path, "%s/functions/%s/%s", d->state, name, files[i]);
        all += stat(path, &st) == 0 ? st.st_size : 0;
    }
    return all;
}

static void
test_a_flood_is_bounded_on_disk(void **state)
{
    static const char *const options[] = {"--log-bytes=256K", "--log-budget=1M", NULL};
    struct daemon d = {0};
    char path[64], name[8];
    int64_t all = 0;

    (void)state;
    daemon_start_with(&d, options);
    for (int f = 0; f < 6; f++) {
        (void)snprintf(name, sizeof name, "f%d", f);
        deploy_ok(&d, name, "memory=16M&max=1", talker);
        (void)snprintf(path, sizeof path, "/function/%s?n=1000", name);
        for (int i = 0; i < 12; i++)
            call_ok(&d, path);
        (void)snprintf(path, sizeof path, "/function/%s?say=last", name);
        call_ok(&d, path);
        assert_string_equal(messages(&d, name, "lines=3"), "out last|log last|err last|");
        assert_true(on_disk(&d, name) > 64 * 1024);
        assert_true(on_disk(&d, name) <= 256 * 1024 + 512);
    }
    for (int f = 0; f < 6; f++) {
        (void)snprintf(name, sizeof name, "f%d", f);
        all += on_disk(&d, name);
    }
    assert_true(all <= 1024 * 1024 + 256 * 1024); /* the largest is made smaller as the next job */
    daemon_remove(&d);
}

struct seen {
    const struct daemon *d;
    const char *text;
};

static bool
is_on_disk(void *user)
{
    const struct seen *seen = user;
    char path[256], *text;
    size_t len;
    bool found;

    (void)snprintf(path, sizeof path, "%s/functions/f/log", seen->d->state);
    if (access(path, R_OK) != 0)
        return false;
    text = read_whole(path, &len);
    found = memmem(text, len, seen->text, strlen(seen->text)) != NULL;
    free(text);
    return found;
}

static bool
is_ready(void *user)
{
    struct reply r = get(user, "/readyz");
    bool ready = r.status == 200;

    reply_free(&r);
    return ready;
}

static void
test_a_killed_gateway_leaves_the_log(void **state)
{
    struct daemon d = {0};
    struct seen seen = {&d, "log precious"};
    pid_t gateway;

    (void)state;
    daemon_start(&d);
    deploy_ok(&d, "f", "memory=16M&max=1", talker);
    call_ok(&d, "/function/f?say=precious");
    wait_for("the line on disk", is_on_disk, &seen);
    gateway = find_process(d.pid, "hearth-gateway");
    assert_int_equal(kill(gateway, SIGKILL), 0);
    wait_for("a new gateway", is_ready, &d);
    assert_non_null(strstr(messages(&d, "f", "lines=50"), "out precious|log precious|"));
    daemon_remove(&d);
}

static bool
has_lost(void *user)
{
    return strstr(messages(user, "f", "lines=20&level=warning"), "lines of output were lost") !=
           NULL;
}

/* Calls go on; what is not on disk is read from memory, and what was lost is said afterwards. */
static void
test_a_full_disk_harms_no_call(void **state)
{
    static const char *const options[] = {"--log-bytes=64M", NULL};
    struct daemon d = {0};
    struct seen seen = {&d, "log after"};
    char path[256];
    int fd;
    ssize_t put;

    (void)state;
    daemon_mount_state(&d, "12m");
    daemon_start_with(&d, options);
    deploy_ok(&d, "f", "memory=16M&max=1", talker);
    (void)snprintf(path, sizeof path, "%s/filler", d.state);
    fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    do
        put = write(fd, path, sizeof path);
    while (put > 0);
    (void)close(fd);
    call_ok(&d, "/function/f?say=full");
    wait_for_log(&d, "its log cannot be written: No space left on device");
    assert_non_null(strstr(messages(&d, "f", "lines=9"), "out full|log full|err full|"));
    for (int i = 0; i < 60; i++) /* more than memory keeps */
        call_ok(&d, "/function/f?n=2000");
    assert_int_equal(unlink(path), 0);
    call_ok(&d, "/function/f?say=after");
    wait_for("the line on disk", is_on_disk, &seen);
    wait_for("what was lost is said", has_lost, &d);
    assert_int_equal(daemon_stop(&d), 0);
    daemon_remove(&d);
}

static void
test_without_disk_the_log_is_in_memory(void **state)
{
    static const char *const options[] = {"--log-bytes=0", NULL};
    struct daemon d = {0};

    (void)state;
    daemon_start_with(&d, options);
    deploy_ok(&d, "f", "memory=16M&max=1", talker);
    call_ok(&d, "/function/f?say=one");
    call_ok(&d, "/function/f?say=two");
    assert_string_equal(messages(&d, "f", "lines=4"), "err one|out two|log two|err two|");
    assert_int_equal(on_disk(&d, "f"), 0);
    daemon_remove(&d);
}

static void
test_what_a_constructor_prints_is_a_line_of_its_own(void **state)
{
    const struct daemon *d = *state;
    const char *all;

    deploy_ok(d, "early", "max=1", early);
    call_ok(d, "/function/early");
    all = messages(d, "early", "lines=10");
    if (strstr(all, "constructed|called|") == NULL)
        fail_msg("%s", all);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines_are_in_order_and_survive_a_restart),
        cmocka_unit_test_setup_teardown(test_what_a_constructor_prints_is_a_line_of_its_own,
                                        group_start, group_stop),
        cmocka_unit_test_setup_teardown(test_lines_are_chosen_by_level_call_and_time, group_start,
                                        group_stop),
        cmocka_unit_test(test_a_flood_is_bounded_on_disk),
        cmocka_unit_test(test_a_killed_gateway_leaves_the_log),
        cmocka_unit_test(test_a_full_disk_harms_no_call),
        cmocka_unit_test(test_without_disk_the_log_is_in_memory),
    };

    return RUN_TESTS("logs", tests, NULL, NULL);
}
