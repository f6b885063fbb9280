/* test_telemetry.c: what operators see from outside: metrics, and what is built on them. */
#include <ctype.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness.h"
#include "run.h"
#include "shell.h"

static const char busy[] =
    "#include <hearth.h>\n#include <stdlib.h>\n#include <string.h>\n"
    "int hearth_handle(hearth_call *c) {\n"
    "  const char *kb = hearth_query(c, \"kb\"); size_t n = kb ? (size_t)atoi(kb) << 10 : 0;\n"
    "  char *p = malloc(n + 1); if (!p) return 1; memset(p, 1, n);\n"
    "  hearth_log(c, HEARTH_INFO, \"used %zu, %d\", n, p[n / 2]); free(p);\n"
    "  return hearth_printf(c, \"ok\\n\"); }\n";

static int
start(void **state)
{
    int status = shell_group_start(state);

    deploy_ok(*state, "busy", "memory=64M", busy);
    return status;
}

/* The value of a series in the text of /metrics; -1 if it is absent. */
static double
series(const char *text, const char *name)
{
    size_t n = strlen(name);

    for (const char *at = text; (at = strstr(at, name)) != NULL; at += n)
        if ((at == text || at[-1] == '\n') && at[n] == ' ')
            return strtod(at + n, NULL);
    return -1;
}

static void
test_metrics_are_what_prometheus_expects(void **state)
{
    static const char *const commands[] = {
        "for i in 1 2 3 4 5; do curl -sS $U/function/busy?kb=3000; done | grep -c ok",
        "curl -sS -H \"Authorization: Bearer $(cat $T)\" $U/metrics >metrics",
        "promtool check metrics <metrics",
    };
    const struct daemon *d = *state;
    char name[96];
    struct reply r;

    SHELL_ALL(commands);
    r = get(d, "/metrics");
    assert_true(series(r.body, "hearth_call_run_seconds_count{function=\"busy\"}") == 5);
    assert_true(series(r.body, "hearth_call_run_seconds_sum{function=\"busy\"}") > 0);
    assert_true(series(r.body, "hearth_call_queue_seconds_count{function=\"busy\"}") == 5);
    assert_true(series(r.body, "hearth_call_cold_seconds_count{function=\"busy\"}") >= 1);
    assert_true(
        series(r.body, "hearth_call_memory_bytes_bucket{function=\"busy\",le=\"2097152\"}") == 0);
    assert_true(
        series(r.body, "hearth_call_memory_bytes_bucket{function=\"busy\",le=\"16777216\"}") >= 1);
    (void)snprintf(name, sizeof name, "hearth_build_info{version=\"%s\",cgroup=\"%s\"}",
                   HEARTH_VERSION, strstr(r.body, "cgroup=\"v1\"") != NULL ? "v1" : "v2");
    assert_true(series(r.body, name) == 1);
    reply_free(&r);
}

/* Whether the metrics' text declares it; a histogram also by its three endings. */
static bool
is_metric(const char *metrics, const char *name, size_t n)
{
    static const char *const endings[] = {"", "_bucket", "_sum", "_count"};
    char line[160];

    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        size_t end = strlen(endings[i]);

        if (n <= end || memcmp(name + n - end, endings[i], end) != 0)
            continue;
        (void)snprintf(line, sizeof line, "# TYPE %.*s %s\n", (int)(n - end), name,
                       end > 0 ? "histogram" : "");
        if (end == 0)
            *strchr(line, '\n') = '\0';
        if (strstr(metrics, line) != NULL)
            return true;
    }
    return false;
}

static void
expect_metrics_exist(const char *metrics, const char *file)
{
    char path[512];
    size_t n, len;
    char *text;
    int seen = 0;

    (void)snprintf(path, sizeof path, "%s/packaging/%s", getenv("HEARTH_SOURCE"), file);
    text = read_whole(path, &len);
    for (const char *at = text; (at = strstr(at, "hearth_")) != NULL; at += n, seen++) {
        for (n = 0; isalnum((unsigned char)at[n]) || at[n] == '_';)
            n++;
        if (!is_metric(metrics, at, n))
            fail_msg("%s: there is no metric %.*s", file, (int)n, at);
    }
    assert_true(seen > 10);
    free(text);
}

static void
test_alerts_and_dashboard_ask_for_metrics_that_exist(void **state)
{
    static const char *const commands[] = {
        "promtool check rules $HEARTH_SOURCE/packaging/prometheus/hearth.rules.yml",
        "python3 -c 'import json, sys; d = json.load(open(sys.argv[1])); "
        "print(\"\\n\".join(t[\"expr\"] for p in d[\"panels\"] for t in p[\"targets\"]))' "
        "$HEARTH_SOURCE/packaging/grafana/hearth.json >queries",
        /* every query is one that Prometheus can parse */
        "{ echo 'groups: [{name: panels, rules: ['; sed 's/\\$__rate_interval/5m/; "
        "s/\"/\\\\\"/g; s/.*/{record: \"panel:query\", expr: \"&\"},/' queries; echo ']}]'; } "
        ">panels.yml && promtool check rules --lint=none panels.yml",
    };
    struct reply r = get(*state, "/metrics");

    SHELL_ALL(commands);
    expect_metrics_exist(r.body, "prometheus/hearth.rules.yml");
    expect_metrics_exist(r.body, "grafana/hearth.json");
    reply_free(&r);
}

static void
test_latency_of_the_last_seconds_is_shown(void **state)
{
    struct reply r = get(*state, "/function/busy");
    json_t *latency;

    assert_int_equal(r.status, 200);
    reply_free(&r);
    r = get(*state, "/v1/functions/busy");
    latency = json_object_get(r.json, "latency");
    assert_true(json_number_value(json_object_get(latency, "p50")) > 0);
    assert_true(json_number_value(json_object_get(latency, "p99")) >=
                json_number_value(json_object_get(latency, "p50")));
    reply_free(&r);
}

/* ---- the daemon's own log, and the access log ---- */

static void
test_the_daemon_s_log_is_json_if_that_is_wanted(void **state)
{
    static const char *const options[] = {"--log-format=json", NULL};
    struct daemon d = {0};
    char *text, *rest, *line;
    size_t len;
    int lines = 0;

    (void)state;
    daemon_start_with(&d, options);
    deploy_ok(&d, "busy", "memory=16M", busy);
    assert_int_equal(daemon_stop(&d), 0);
    text = rest = read_whole(d.log, &len);
    while ((line = strsep(&rest, "\n")) != NULL && *line != '\0') {
        json_t *json = json_loads(line, 0, NULL);

        if (json == NULL)
            fail_msg("no JSON: %s", line);
        assert_true(json_is_string(json_object_get(json, "time")));
        assert_true(json_is_string(json_object_get(json, "level")));
        assert_true(json_is_string(json_object_get(json, "program")));
        assert_true(json_is_string(json_object_get(json, "message")));
        json_decref(json);
        lines++;
    }
    assert_true(lines > 2);
    free(text);
    daemon_remove(&d);
}

static void
test_the_journal_gets_priorities(void **state)
{
    static const char *const options[] = {"--log-format=journal", NULL};
    struct daemon d = {0};
    char *text;
    size_t len;

    (void)state;
    daemon_start_with(&d, options);
    text = read_whole(d.log, &len);
    assert_non_null(strstr(text, "<6>hearth-gateway: "));
    free(text);
    daemon_remove(&d);
}

struct access_wait {
    const struct daemon *d;
    int lines;
    char *text;
};

static bool
has_lines(void *user)
{
    struct access_wait *wait = user;
    char path[256];
    size_t len;
    int lines = 0;

    (void)snprintf(path, sizeof path, "%s/access.log", wait->d->state);
    free(wait->text);
    wait->text = read_whole(path, &len);
    for (size_t i = 0; i < len; i++)
        lines += wait->text[i] == '\n';
    return lines >= wait->lines;
}

static void
test_the_access_log_has_a_line_for_each_request(void **state)
{
    static const char *const options[] = {"--access-log=combined", NULL};
    const char *const fields[] = {"Referer: http://a.example/\"x", "User-Agent: test\\1", NULL};
    struct daemon d = {0};
    struct access_wait wait = {.d = &d, .lines = 5}; /* one is of the harness */
    struct reply r;
    char path[256], other[256];
    int fd;

    (void)state;
    daemon_start_with(&d, options);
    deploy_ok(&d, "busy", "memory=16M", busy);
    r = http(&d, &(struct request){.path = "/function/busy?kb=1", .fields = fields});
    assert_int_equal(r.status, 200);
    reply_free(&r);
    r = get(&d, "/function/none");
    assert_int_equal(r.status, 404);
    reply_free(&r);
    fd = raw_connect(&d);
    raw_send_text(fd, "NONSENSE\r\n\r\n");
    free(raw_receive(fd, NULL));
    (void)close(fd);
    wait_for("five lines", has_lines, &wait);
    if (strstr(wait.text, "\"GET /function/busy?kb=1 HTTP/1.1\" 200 3 "
                          "\"http://a.example/\\x22x\" \"test\\x5C1\"\n") == NULL ||
        strstr(wait.text, "\"GET /function/none HTTP/1.1\" 404 ") == NULL ||
        strstr(wait.text, "\"-\" 400 ") == NULL || strncmp(wait.text, "127.0.0.1 - - [", 15) != 0)
        fail_msg("%s", wait.text);
    /* rotated: renamed, and opened anew on SIGHUP */
    (void)snprintf(path, sizeof path, "%s/access.log", d.state);
    (void)snprintf(other, sizeof other, "%s/access.log.1", d.state);
    assert_int_equal(rename(path, other), 0);
    assert_int_equal(kill(d.pid, SIGHUP), 0);
    wait_for_log(&d, "the access log was opened anew");
    wait.lines = 1;
    r = get(&d, "/function/busy");
    reply_free(&r);
    wait_for("a line in the new file", has_lines, &wait);
    free(wait.text);
    daemon_remove(&d);
}

static bool
has_mine(void *user)
{
    return has_lines(user) && strstr(((struct access_wait *)user)->text, "mine") != NULL;
}

static void
test_the_access_log_as_json(void **state)
{
    static const char *const options[] = {"--access-log=json", NULL};
    const char *const fields[] = {"X-Call-Id: mine", NULL};
    struct daemon d = {0};
    struct access_wait wait = {.d = &d, .lines = 2};
    struct reply r;
    json_t *json;
    char *line;

    (void)state;
    daemon_start_with(&d, options);
    deploy_ok(&d, "busy", "memory=16M", busy);
    r = http(&d, &(struct request){.path = "/function/busy?kb=1", .fields = fields});
    assert_int_equal(r.status, 200);
    reply_free(&r);
    wait_for("the line", has_mine, &wait);
    line = strstr(wait.text, "mine");
    assert_non_null(line);
    line[strcspn(line, "\n")] = '\0';
    while (line > wait.text && line[-1] != '\n')
        line--;
    json = json_loads(line, 0, NULL);
    assert_non_null(json);
    assert_string_equal(json_string_value(json_object_get(json, "request")),
                        "GET /function/busy?kb=1 HTTP/1.1");
    assert_string_equal(json_string_value(json_object_get(json, "call_id")), "mine");
    assert_int_equal(json_integer_value(json_object_get(json, "status")), 200);
    assert_int_equal(json_integer_value(json_object_get(json, "bytes")), 3);
    assert_true(json_number_value(json_object_get(json, "duration")) > 0);
    json_decref(json);
    free(wait.text);
    daemon_remove(&d);
}

/* ---- traces ---- */

static void
test_a_collector_gets_the_spans_of_calls(void **state)
{
    (void)state;
    shell_script("traces");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_metrics_are_what_prometheus_expects),
        cmocka_unit_test(test_alerts_and_dashboard_ask_for_metrics_that_exist),
        cmocka_unit_test(test_latency_of_the_last_seconds_is_shown),
        cmocka_unit_test(test_the_daemon_s_log_is_json_if_that_is_wanted),
        cmocka_unit_test(test_the_journal_gets_priorities),
        cmocka_unit_test(test_the_access_log_has_a_line_for_each_request),
        cmocka_unit_test(test_the_access_log_as_json),
        cmocka_unit_test(test_a_collector_gets_the_spans_of_calls),
    };

    return RUN_TESTS("telemetry", tests, start, shell_group_stop);
}
