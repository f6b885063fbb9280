/* test_network.c: functions that connect: to PostgreSQL, Redis and nginx themselves, and to servers
 * of the test, which also plays the name server. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <arpa/inet.h>

#include "harness.h"
#include "run.h"
#include "shell.h"

static struct world {
    struct daemon d; /* asks the name server below */
    pid_t echo, names;
    int names_port, v4, v6; /* of the echo servers */
    char probe[200];
} w;

/* ---- the world ---- */

static int
free_port(int type)
{
    int fd = socket(AF_INET, type, 0);
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof any;

    assert_int_equal(bind(fd, (const struct sockaddr *)&any, n), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&any, &n), 0);
    (void)close(fd);
    return ntohs(any.sin_port);
}

static pid_t
start_python(const char *script, const char *a, const char *b)
{
    char path[300];
    pid_t pid;

    (void)snprintf(path, sizeof path, "%s/tests/network/%s", getenv("HEARTH_SOURCE"), script);
    (void)fflush(NULL);
    pid = fork();
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)execlp("python3", "python3", path, a, b, NULL);
        _exit(127);
    }
    assert_true(pid > 0);
    return pid;
}

static bool
has_ports(void *user)
{
    FILE *file = fopen(shell_path("ports"), "re");
    bool found = file != NULL && fscanf(file, "%d %d", &w.v4, &w.v6) == 2;

    (void)user;
    if (file != NULL)
        (void)fclose(file);
    return found;
}

/* What the name server answers. */
static void
set_names(const char *table)
{
    shell_write("names.new", table, strlen(table));
    shell("mv names.new names");
}

static int
world_start(void **state)
{
    char resolver[40], port[12], folder[40];
    const char *options[] = {"--resolver", resolver, NULL};

    w.names_port = free_port(SOCK_DGRAM);
    (void)snprintf(resolver, sizeof resolver, "127.0.0.1:%d", w.names_port);
    daemon_start_with(&w.d, options);
    shell_open(&w.d);
    (void)snprintf(port, sizeof port, "%d", w.names_port);
    set_names("");
    (void)snprintf(folder, sizeof folder, "%s", shell_folder);
    w.names = start_python("names.py", port, shell_path("names"));
    w.echo = start_python("echo.py", folder, NULL);
    wait_for("the echo servers", has_ports, NULL);
    (void)snprintf(w.probe, sizeof w.probe, "%s/tests/network/probe.c", getenv("HEARTH_SOURCE"));
    *state = &w.d;
    return 0;
}

static int
world_stop(void **state)
{
    pid_t pids[] = {w.echo, w.names};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        (void)kill(pids[i], SIGKILL);
        (void)waitpid(pids[i], NULL, 0);
    }
    daemon_remove(&w.d);
    shell_close();
    return 0;
}

/* ---- what the probe says ---- */

static void __attribute__((format(printf, 2, 3))) expect(const char *wanted, const char *fmt, ...)
{
    char path[400];
    struct reply r;
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(path, sizeof path, fmt, ap);
    va_end(ap);
    r = get(&w.d, path);
    if (r.status != 200 || strcmp(r.body, wanted) != 0)
        fail_msg("%s: %ld \"%s\", expected \"%s\"", path, r.status, r.body, wanted);
    reply_free(&r);
}

static void __attribute__((format(printf, 3, 4)))
deploy_probe(const char *name, const char *more, const char *fmt, ...)
{
    char network[400], settings[600];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(network, sizeof network, fmt, ap);
    va_end(ap);
    (void)snprintf(settings, sizeof settings, "max=1&network=%s&%s", network, more);
    deploy_file(&w.d, name, settings, w.probe);
}

/* Deploys end, so that their instances take no room from the next. */
static void
drop(const char *name)
{
    char path[100];
    struct reply r;

    (void)snprintf(path, sizeof path, "/v1/functions/%s", name);
    r = http(&w.d, &(struct request){.method = "DELETE", .path = path});
    assert_int_equal(r.status, 204);
    reply_free(&r);
}

struct line {
    const char *name, *text;
};

static bool
log_has(void *user)
{
    const struct line *line = user;
    char path[100];
    struct reply r;
    bool found;

    (void)snprintf(path, sizeof path, "/v1/functions/%s/logs", line->name);
    r = get(&w.d, path);
    found = strstr(r.body, line->text) != NULL;
    reply_free(&r);
    return found;
}

static void
expect_log(const char *name, const char *text)
{
    struct line line = {name, text};

    wait_for(text, log_has, &line);
}

static json_int_t
figure(const char *name, const char *which)
{
    char path[100];
    struct reply r;
    json_int_t value;

    (void)snprintf(path, sizeof path, "/v1/functions/%s", name);
    r = get(&w.d, path);
    value = json_integer_value(json_object_get(json_object_get(r.json, "connections"), which));
    reply_free(&r);
    return value;
}

static long
open_at_server(void)
{
    size_t n;
    char *text = read_whole(shell_path("open"), &n);
    long count = atol(text);

    free(text);
    return count;
}

static bool
server_has(void *user)
{
    return open_at_server() == *(const long *)user;
}

static void
wait_for_server(long count)
{
    wait_for("connections at the server", server_has, &count);
}

/* ---- destinations ---- */

static void
test_what_is_listed_is_reached_and_nothing_else(void **state)
{
    (void)state;
    deploy_probe("dest", "", "127.0.0.1:%d,[::1]:%d,unix:%s/echo", w.v4, w.v6, shell_folder);
    expect("ok\n", "/function/dest?ip=127.0.0.1&port=%d", w.v4);
    expect("ok\n", "/function/dest?ip=::1&port=%d", w.v6);
    expect("ok\n", "/function/dest?ip=::ffff:127.0.0.1&port=%d", w.v4);
    expect("ok\n", "/function/dest?path=%s/echo", shell_folder);
    expect("EINPROGRESS\n", "/function/dest?ip=127.0.0.1&port=%d&nonblocking", w.v4);
    /* the other's port; hearthd itself; what "any" means; another address; nothing listens */
    expect("EACCES\n", "/function/dest?ip=127.0.0.1&port=%d", w.v6);
    expect("EACCES\n", "/function/dest?ip=127.0.0.1&port=%d", w.d.port);
    expect("EACCES\n", "/function/dest?ip=127.0.0.2&port=%d", w.v4);
    expect("EACCES\n", "/function/dest?ip=0.0.0.0&port=%d", w.v6);
    expect("EACCES\n", "/function/dest?ip=192.0.2.1&port=80");
    expect("EACCES\n", "/function/dest?path=/run/other");
    expect("EACCES\n", "/function/dest?path=%s/../%s/echo", shell_folder, shell_folder + 5);
    expect("EACCES\n", "/function/dest?path=%s/./echo", shell_folder);
    expect("EACCES\n", "/function/dest?path=%s//echo", shell_folder);
    expect("EACCES\n", "/function/dest?path=@echo");
    expect("lookup -11 EACCES\n", "/function/dest?name=example.com&port=80");
    expect_log("dest", "connecting to 192.0.2.1:80 was refused with EACCES");
    expect_log("dest", "setting network lists what it may connect to");
    assert_true(figure("dest", "refused") >= 10);
    drop("dest");
}

static void
test_a_function_without_destinations_is_told_of_the_setting(void **state)
{
    (void)state;
    deploy_probe("none", "", "none");
    expect("socket EACCES\n", "/function/none?ip=127.0.0.1&port=%d", w.v4);
    expect("lookup -11 EACCES\n", "/function/none?name=db.test&port=5432");
    expect_log("none", "system call socket was refused with EACCES");
    expect_log("none", "db.test:5432 was looked up, and this function has no network: setting "
                       "network");
    drop("none");
}

static void
test_some_addresses_are_refused_even_when_named(void **state)
{
    char link[64];

    (void)state;
    (void)snprintf(link, sizeof link, "%s/link", shell_folder);
    assert_int_equal(symlink(shell_path("echo"), link), 0);
    set_names("own.test 127.0.0.1 60\nmeta.test 169.254.169.254 60\n");
    deploy_probe("named", "", "169.254.169.254:80,127.0.0.1:%d,own.test:%d,meta.test:80,unix:%s",
                 w.d.port, w.d.port, link);
    expect("EACCES\n", "/function/named?ip=169.254.169.254&port=80");
    expect("EACCES\n", "/function/named?ip=::ffff:169.254.169.254&port=80");
    expect("EACCES\n", "/function/named?name=meta.test&port=80");
    expect("EACCES\n", "/function/named?ip=127.0.0.1&port=%d", w.d.port);
    expect("EACCES\n", "/function/named?ip=0.0.0.0&port=%d", w.d.port);
    expect("EACCES\n", "/function/named?name=own.test&port=%d", w.d.port);
    expect("EACCES\n", "/function/named?path=%s", link);
    expect_log("named", "the option network_allow of the daemon is needed");
    expect_log("named", "leads through a symbolic link");
    drop("named");
}

/* ---- names ---- */

/* Before its time to live is over, the old address counts. */
static bool
is_refused_again(void *user)
{
    struct reply r = get(&w.d, "/function/names?again");
    bool refused = strcmp(r.body, "EACCES\n") == 0;

    (void)user;
    if (!refused)
        assert_string_equal(r.body, "ok\n");
    reply_free(&r);
    return refused;
}

static void
test_a_name_is_checked_when_it_connects(void **state)
{
    (void)state;
    set_names("db.test 127.0.0.1 1\n");
    deploy_probe("names", "timeout=20s", "db.test:%d", w.v4);
    expect("ok\n", "/function/names?name=db.test&port=%d", w.v4);
    expect("ok\n", "/function/names?name=DB.Test.&port=%d", w.v4);
    expect("ok\n", "/function/names?ip=127.0.0.1&port=%d", w.v4);
    expect("EACCES\n", "/function/names?name=db.test&port=%d", w.v6);
    expect("lookup -11 EACCES\n", "/function/names?name=other.test&port=%d", w.v4);
    /* the name moves between the look-up and the connection */
    expect("ok\n", "/function/names?name=db.test&port=%d", w.v4);
    set_names("db.test 127.0.0.9 1\n");
    wait_for("the address that counts now", is_refused_again, NULL);
    expect_log("names", "connecting to 127.0.0.1:");
    drop("names");
}

static void
test_a_resolver_that_stalls_delays_nobody_else(void **state)
{
    int64_t begun;
    struct reply r;

    (void)state;
    set_names("stalled.test - 1\nquick.test 127.0.0.1 1\n");
    deploy_probe("stalled", "timeout=2s", "stalled.test:%d", w.v4);
    deploy_probe("quick", "", "quick.test:%d,127.0.0.1:%d", w.v4, w.v4);
    expect("ok\n", "/function/quick?name=quick.test&port=%d", w.v4);
    (void)fflush(NULL);
    begun = harness_now_ms();
    if (fork() == 0) {
        char path[80];

        (void)snprintf(path, sizeof path, "/function/stalled?name=stalled.test&port=%d", w.v4);
        r = get(&w.d, path);
        _exit(r.status == 200 && strcmp(r.body, "lookup -3 \n") == 0 ? 0 : 1);
    }
    do
        expect("ok\n", "/function/quick?name=quick.test&port=%d", w.v4);
    while (waitpid(-1, NULL, WNOHANG) == 0);
    assert_true(harness_now_ms() - begun < 15000 * harness_patience());
    /* its caller gets an answer of the function, not of the platform */
    expect("lookup -3 \n", "/function/stalled?name=stalled.test&port=%d", w.v4);
    drop("stalled");
    drop("quick");
}

/* An address is compared with all listed names at once, within the time of the call. */
static void
test_names_without_an_answer_hold_up_no_other(void **state)
{
    struct reply r;

    (void)state;
    set_names("no1.test - 1\nno2.test - 1\nno3.test - 1\nyes.test 127.0.0.1 60\n");
    deploy_probe("many", "timeout=5s",
                 "no1.test:%d,no2.test:%d,no3.test:%d,no4.test:%d,yes.test:%d", w.v4, w.v4, w.v4,
                 w.v4, w.v4);
    expect("ok\n", "/function/many?ip=127.0.0.1&port=%d", w.v4);
    for (int i = 0; i < 2; i++) {
        char path[80];

        (void)snprintf(path, sizeof path, "/function/many?ip=127.0.0.9&port=%d", w.v4);
        r = get(&w.d, path);
        if (strcmp(r.body, "ETIMEDOUT\n") != 0 && strcmp(r.body, "EHOSTUNREACH\n") != 0)
            fail_msg("%ld %s", r.status, r.body);
        reply_free(&r);
        expect("ok\n", "/function/many?ip=127.0.0.1&port=%d", w.v4);
    }
    drop("many");
}

/* ---- bounds ---- */

static void
test_a_server_that_does_not_answer_ends_with_an_error(void **state)
{
    (void)state;
    /* 192.0.2.0/24 is for documents: nothing answers, or there is no way to it */
    deploy_probe("down", "timeout=2s", "192.0.2.1:80,127.0.0.1:1");
    {
        struct reply r = get(&w.d, "/function/down?ip=192.0.2.1&port=80");

        assert_int_equal(r.status, 200);
        if (strcmp(r.body, "ETIMEDOUT\n") != 0 && strcmp(r.body, "ENETUNREACH\n") != 0 &&
            strcmp(r.body, "EHOSTUNREACH\n") != 0 && strcmp(r.body, "ECONNREFUSED\n") != 0)
            fail_msg("\"%s\"", r.body);
        reply_free(&r);
    }
    expect("ECONNREFUSED\n", "/function/down?ip=127.0.0.1&port=1");
    assert_true(figure("down", "failed") >= 1);
    drop("down");
}

static void
test_open_connections_are_bounded(void **state)
{
    (void)state;
    deploy_probe("bound", "connections=3", "127.0.0.1:%d", w.v4);
    for (int i = 0; i < 3; i++)
        expect("ok\n", "/function/bound?ip=127.0.0.1&port=%d&keep", w.v4);
    expect("socket EMFILE\n", "/function/bound?ip=127.0.0.1&port=%d&keep", w.v4);
    expect_log("bound", "3 connections are open; setting connections allows more");
    assert_int_equal(figure("bound", "limited"), 1);
    assert_int_equal(figure("bound", "open"), 3);
    expect("0\n", "/function/bound?close");
    expect("ok\n", "/function/bound?ip=127.0.0.1&port=%d&keep", w.v4);
    drop("bound");
    wait_for_server(0);
}

static void
test_a_deleted_function_keeps_no_connection(void **state)
{
    (void)state;
    wait_for_server(0);
    deploy_probe("gone", "", "127.0.0.1:%d", w.v4);
    expect("ok\n", "/function/gone?ip=127.0.0.1&port=%d&keep", w.v4);
    expect("ok\n", "/function/gone?use");
    wait_for_server(1);
    drop("gone");
    wait_for_server(0);
}

static void
test_a_patch_reaches_running_instances(void **state)
{
    char json[160];
    struct reply r;
    pid_t pid;

    (void)state;
    deploy_probe("live", "", "127.0.0.1:%d,[::1]:%d", w.v4, w.v6);
    expect("ok\n", "/function/live?ip=127.0.0.1&port=%d&keep", w.v4);
    expect("ok\n", "/function/live?ip=::1&port=%d&keep", w.v6);
    expect("ok\nok\n", "/function/live?use");
    pid = instance_pid(&w.d, "live");
    (void)snprintf(json, sizeof json, "{\"network\": [\"[::1]:%d\"]}", w.v6);
    r = patch(&w.d, "/v1/functions/live", json);
    assert_int_equal(r.status, 200);
    assert_string_equal(
        json_string_value(json_object_get(json_object_get(r.json, "applied"), "network")),
        "at once; 1 open connection to removed destinations ended");
    reply_free(&r);
    wait_for_server(1);
    r = get(&w.d, "/function/live?use");
    assert_non_null(strstr(r.body, "\nok\n"));
    assert_null(strstr(r.body, "ok\nok\n"));
    reply_free(&r);
    expect("EACCES\n", "/function/live?ip=127.0.0.1&port=%d", w.v4);
    assert_int_equal(instance_pid(&w.d, "live"), pid); /* the same one all the time */
    /* without destinations it needs other filters */
    r = patch(&w.d, "/v1/functions/live", "{\"network\": \"none\"}");
    assert_string_equal(
        json_string_value(json_object_get(json_object_get(r.json, "applied"), "network")),
        "new instances");
    reply_free(&r);
    expect("socket EACCES\n", "/function/live?ip=::1&port=%d", w.v6);
    wait_for_server(0);
    drop("live");
}

static bool
first_thread_has_exited(void *user)
{
    char path[64], *text, state = 0;
    size_t n;

    (void)snprintf(path, sizeof path, "/proc/%d/stat", (int)*(const pid_t *)user);
    text = read_whole(path, &n);
    (void)sscanf(text, "%*d (%*[^)]) %c", &state);
    free(text);
    return state == 'Z';
}

/* However a function hides its descriptor: its connection ends, or it ends itself. */
static void
test_a_hidden_connection_ends_with_its_destination(void **state)
{
    static const char json[] = "{\"network\": [\"127.0.0.1:1\"]}";
    char settings[100], source[600];
    struct reply r;

    (void)state;
    wait_for_server(0);
    (void)snprintf(settings, sizeof settings, "max=1&threads=1&timeout=60s&network=127.0.0.1:%d",
                   w.v4);
    (void)snprintf(source, sizeof source, "%s/tests/network/hider.c", getenv("HEARTH_SOURCE"));
    for (int i = 0; i < 17; i++) {
        deploy_file(&w.d, "hider", settings, source);
        expect("", "/function/hider?port=%d", w.v4);
        expect("ok\n", "/function/hider?use");
        expect("", "/function/hider?%s", i == 0 ? "map" : i < 9 ? "hide" : "go");
        r = patch(&w.d, "/v1/functions/hider", json);
        assert_int_equal(r.status, 200);
        reply_free(&r);
        wait_for_server(0);
        drop("hider");
    }
    {
        pid_t pid;
        int fd;

        deploy_file(&w.d, "hider", settings, source);
        expect("", "/function/hider?port=%d", w.v4);
        pid = instance_pid(&w.d, "hider");
        fd = raw_connect(&w.d);
        raw_send_text(fd, "GET /function/hider?leave HTTP/1.1\r\nHost: localhost\r\n\r\n");
        wait_for("the exit of the first thread", first_thread_has_exited, &pid);
        wait_for_server(1);
        r = patch(&w.d, "/v1/functions/hider", json);
        assert_int_equal(r.status, 200);
        reply_free(&r);
        wait_for_server(0);
        wait_for_log(&w.d, "could not be ended");
        (void)close(fd);
        drop("hider");
    }
}

/* ---- seen ---- */

static void
test_a_function_that_connects_for_each_call_is_told(void **state)
{
    struct reply r;

    (void)state;
    deploy_probe("often", "", "127.0.0.1:%d", w.v4);
    for (int i = 0; i < 130; i++)
        expect("ok\n", "/function/often?ip=127.0.0.1&port=%d", w.v4);
    expect_log("often", "connections per call in the last");
    r = get(&w.d, "/v1/events?function=often");
    assert_non_null(strstr(r.body, "\"connects_often\""));
    reply_free(&r);
    shell("h describe often | grep -E 'connections: [0-9]+ open; .* (1.0|0.9)[0-9] per call'");
    deploy_probe("seldom", "", "127.0.0.1:%d", w.v4);
    expect("ok\n", "/function/seldom?ip=127.0.0.1&port=%d&keep", w.v4);
    for (int i = 0; i < 130; i++)
        expect("ok\n", "/function/seldom?use");
    r = get(&w.d, "/v1/events?function=seldom");
    assert_null(strstr(r.body, "\"connects_often\""));
    reply_free(&r);
    drop("often");
    drop("seldom");
}

/* ---- processes that end ---- */

static bool
has_new_broker(void *user)
{
    return kill(*(const pid_t *)user, 0) != 0 && /* it has been reaped */
           count_processes(w.d.pid, "hearth-broker") == 1 &&
           find_process(w.d.pid, "hearth-broker") != *(const pid_t *)user;
}

static void
test_a_broker_that_dies_costs_no_connection(void **state)
{
    char uid[64];
    pid_t broker;

    (void)state;
    deploy_probe("kept", "", "127.0.0.1:%d", w.v4);
    expect("ok\n", "/function/kept?ip=127.0.0.1&port=%d&keep", w.v4);
    broker = find_process(w.d.pid, "hearth-broker");
    assert_true(broker > 0);
    assert_null(strstr(proc_status(broker, "Uid", uid, sizeof uid), "0\t0"));
    assert_string_equal(proc_status(broker, "CapEff", uid, sizeof uid), "0000000000000000");
    assert_string_equal(proc_status(broker, "Seccomp", uid, sizeof uid), "2");
    assert_int_equal(kill(broker, SIGKILL), 0);
    expect("ok\n", "/function/kept?use");
    wait_for("another broker", has_new_broker, &broker);
    expect("ok\n", "/function/kept?ip=127.0.0.1&port=%d&keep", w.v4);
    expect("ok\nok\n", "/function/kept?use");
    /* one that has got stuck is found, too */
    broker = find_process(w.d.pid, "hearth-broker");
    assert_int_equal(kill(broker, SIGSTOP), 0);
    wait_for("another broker", has_new_broker, &broker);
    expect("ok\n", "/function/kept?ip=127.0.0.1&port=%d&keep", w.v4);
    expect("ok\nok\nok\n", "/function/kept?use");
    drop("kept");
}

/* What is open is known and counted, and ends with the list, whatever becomes of the broker. */
static void
test_no_connection_is_forgotten(void **state)
{
    static const char json[] = "{\"network\": [\"127.0.0.1:1\"]}";
    struct reply r;
    pid_t broker;

    (void)state;
    wait_for_server(0);
    deploy_probe("deaf", "", "127.0.0.1:%d", w.v4);
    expect("ok\n", "/function/deaf?ip=127.0.0.1&port=%d&keep", w.v4);
    expect("ok\n", "/function/deaf?deafen");
    expect("socket ENETDOWN\n", "/function/deaf?ip=127.0.0.1&port=%d", w.v4);
    assert_int_equal(figure("deaf", "open"), 1);
    r = patch(&w.d, "/v1/functions/deaf", json);
    assert_non_null(strstr(r.body, "1 open connection to removed destinations ended"));
    reply_free(&r);
    wait_for_server(0);
    drop("deaf");

    deploy_probe("restarted", "", "127.0.0.1:%d", w.v4);
    expect("ok\n", "/function/restarted?ip=127.0.0.1&port=%d&keep", w.v4);
    broker = find_process(w.d.pid, "hearth-broker");
    assert_int_equal(kill(broker, SIGKILL), 0);
    wait_for("another broker", has_new_broker, &broker);
    expect("ok\n", "/function/restarted?ip=127.0.0.1&port=%d", w.v4);
    r = patch(&w.d, "/v1/functions/restarted", json);
    assert_int_equal(r.status, 200);
    reply_free(&r);
    wait_for_server(0);
    drop("restarted");
}

static bool
is_ready(void *user)
{
    struct reply r = get(&w.d, "/readyz");
    bool ready = r.status == 200;

    (void)user;
    reply_free(&r);
    return ready;
}

static void
test_a_gateway_that_dies_is_followed(void **state)
{
    pid_t gateway = find_process(w.d.pid, "hearth-gateway");

    (void)state;
    deploy_probe("again", "", "127.0.0.1:%d", w.v4);
    expect("ok\n", "/function/again?ip=127.0.0.1&port=%d&keep", w.v4);
    assert_int_equal(kill(gateway, SIGKILL), 0);
    wait_for("another gateway", is_ready, NULL);
    wait_for_server(0);
    expect("ok\n", "/function/again?ip=127.0.0.1&port=%d&keep", w.v4);
    expect("ok\n", "/function/again?use");
    drop("again");
}

static void
test_without_destinations_there_is_no_broker(void **state)
{
    struct daemon d = {0};

    (void)state;
    daemon_start(&d);
    deploy_file(&d, "probe", "", w.probe);
    expect_body(&d, "/function/probe", "0\n");
    assert_int_equal(count_processes(d.pid, "hearth-broker"), 0);
    daemon_remove(&d);
}

static void
test_bad_destinations_are_refused_with_what_is_allowed(void **state)
{
    static const char *const bad[] = {
        "host",     "host:0",       "host:65536", "host:x",   ":80",    "http://host:80",
        "::1:80",   "[::1]",        "[host]:80",  "1.2.3:1",  "unix:",  "unix:relative",
        "unix:/a/", "unix:/a/../b", "unix:/a//b", "a:1,,b:2", "a..b:1", "a:1,none"};

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char json[100];
        struct reply r;

        deploy_probe("bad", "", "none");
        (void)snprintf(json, sizeof json, "{\"network\": \"%s\"}", bad[i]);
        r = patch(&w.d, "/v1/functions/bad", json);
        if (r.status != 400)
            fail_msg("%s: %ld", bad[i], r.status);
        assert_string_equal(reply_text(&r, "code"), "bad_setting");
        assert_non_null(strstr(r.body, "HOST:PORT"));
        reply_free(&r);
    }
    drop("bad");
}

/* ---- the libraries of others ---- */

static void
test_postgres_keeps_its_connection(void **state)
{
    (void)state;
    shell_script("postgres");
}

static void
test_redis_keeps_its_connection(void **state)
{
    (void)state;
    shell_script("redis");
}

static void
test_python_keeps_its_connections_in_forks(void **state)
{
    (void)state;
    shell_script("python_databases");
}

static void
test_libcurl_reaches_a_server_with_tls(void **state)
{
    struct daemon d = {0};

    (void)state;
    daemon_start(&d); /* with the host's own names: "localhost" */
    shell_close();
    shell_open(&d);
    shell_script("fetch");
    shell_close();
    daemon_remove(&d);
    shell_open(&w.d);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_listed_is_reached_and_nothing_else),
        cmocka_unit_test(test_a_function_without_destinations_is_told_of_the_setting),
        cmocka_unit_test(test_some_addresses_are_refused_even_when_named),
        cmocka_unit_test(test_a_name_is_checked_when_it_connects),
        cmocka_unit_test(test_a_resolver_that_stalls_delays_nobody_else),
        cmocka_unit_test(test_names_without_an_answer_hold_up_no_other),
        cmocka_unit_test(test_a_server_that_does_not_answer_ends_with_an_error),
        cmocka_unit_test(test_open_connections_are_bounded),
        cmocka_unit_test(test_a_deleted_function_keeps_no_connection),
        cmocka_unit_test(test_a_patch_reaches_running_instances),
        cmocka_unit_test(test_a_hidden_connection_ends_with_its_destination),
        cmocka_unit_test(test_a_function_that_connects_for_each_call_is_told),
        cmocka_unit_test(test_a_broker_that_dies_costs_no_connection),
        cmocka_unit_test(test_no_connection_is_forgotten),
        cmocka_unit_test(test_a_gateway_that_dies_is_followed),
        cmocka_unit_test(test_without_destinations_there_is_no_broker),
        cmocka_unit_test(test_bad_destinations_are_refused_with_what_is_allowed),
        cmocka_unit_test(test_postgres_keeps_its_connection),
        cmocka_unit_test(test_redis_keeps_its_connection),
        cmocka_unit_test(test_python_keeps_its_connections_in_forks),
        cmocka_unit_test(test_libcurl_reaches_a_server_with_tls),
    };

    return RUN_TESTS("network", tests, world_start, world_stop);
}
