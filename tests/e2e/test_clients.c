/* test_clients.c: slow, greedy and impatient clients, and their effect on the calls, connections
 * and latency of other clients. */
#include <errno.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "harness.h"
#include "run.h"

static const char hello[] =
    "#include <hearth.h>\n"
    "int hearth_handle(hearth_call *c) { return hearth_printf(c, \"hello\"); }\n";

/* With ?long it responds with 64 MiB, otherwise with a word. */
static const char large[] =
    "#include <hearth.h>\nstatic char b[1 << 20];\n"
    "int hearth_handle(hearth_call *c) { if (hearth_query(c, \"long\")) for (int i = 0; i < 64; "
    "i++) if (hearth_write(c, b, sizeof b)) return 0; return hearth_printf(c, \"done\"); }\n";

#define DESCRIPTORS 1024
#define PLACES      (DESCRIPTORS / 2)
#define CROWD       1000

static struct daemon the_daemon;
static pid_t gateway;

/* Runs in the child that becomes the daemon: `ulimit -n` as a user who may not raise it. */
static void
limit_descriptors(void)
{
    struct rlimit files = {DESCRIPTORS, DESCRIPTORS};

    if (prctl(PR_CAPBSET_DROP, CAP_SYS_RESOURCE, 0, 0, 0) != 0 ||
        setrlimit(RLIMIT_NOFILE, &files) != 0)
        _exit(127);
}

/* Starts a daemon with few descriptors; the test itself has more. */
static int
start(void **state)
{
    struct rlimit files = {4096, 4096};

    if (setrlimit(RLIMIT_NOFILE, &files) != 0)
        return -1;
    the_daemon.prepare = limit_descriptors;
    daemon_start(&the_daemon);
    *state = &the_daemon;
    deploy_ok(*state, "hello", "memory=16M&min=1", hello);
    gateway = find_process(the_daemon.pid, "hearth-gateway");
    return 0;
}

static int
expect_same_gateway(void **state)
{
    return find_process(((struct daemon *)*state)->pid, "hearth-gateway") == gateway ? 0 : -1;
}

static void
send_text(int fd, const char *text)
{
    raw_send(fd, text, strlen(text));
}

/* ---- timeouts ---- */

/* Starts a process that calls repeatedly until it is stopped. It exits with 1 if a response is not
 * "done"; a 503 is accepted, because the queue may be full. */
static pid_t
start_caller(const struct daemon *d, const char *path)
{
    pid_t pid = fork();

    if (pid != 0)
        return pid;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* if the test fails */
    for (;;) {
        struct reply r = get(d, path);

        if (r.status != 503 && (r.status != 200 || strcmp(r.body, "done") != 0)) {
            (void)fprintf(stderr, "%ld %s (curl %d)\n", r.status, r.body, r.error);
            _exit(1);
        }
        reply_free(&r);
    }
}

static void
stop_callers(const pid_t *pids, int n)
{
    for (int i = 0; i < n; i++) {
        int status;

        (void)kill(pids[i], SIGTERM);
        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGTERM)
            fail_msg("a call failed because another one had timed out: see above");
    }
}

/* A handler that blocks in hearth_write returns when its client is disconnected. A call that is
 * dispatched to its instance then must not be killed with it. */
static void
test_a_timeout_in_write_costs_no_other_call(void **state)
{
    const struct daemon *d = *state;
    pid_t callers[4];

    deploy_ok(d, "large", "memory=16M&max=1&timeout=100ms&stream=true", large);
    for (int i = 0; i < 4; i++)
        callers[i] = start_caller(d, "/function/large");
    for (int i = 0; i < 15; i++) {
        int fd = raw_connect(d);

        send_text(fd, "GET /function/large?long HTTP/1.1\r\nHost: x\r\n\r\n");
        wait_for_figure(d, "large", "errors", "timeout", i + 1);
        (void)close(fd);
    }
    stop_callers(callers, 4);
}

/* The same with a single client that sends all the calls, each as soon as the last response was
 * truncated. It reads nothing until it has sent everything, and therefore times out. */
static void
test_large_echoes_one_after_another_end_no_call_between_them(void **state)
{
    const struct daemon *d = *state;
    static char body[12 << 20];
    char head[128];

    deploy_ok(d, "reecho", "memory=32M&max=1&timeout=100ms&max_body=16M",
              "#include <hearth.h>\nint hearth_handle(hearth_call *c) { char b[8192]; ssize_t n; "
              "while ((n = hearth_read(c, b, sizeof b)) > 0) if (hearth_write(c, b, (size_t)n)) "
              "return 0; return 0; }\n");
    (void)snprintf(head, sizeof head,
                   "POST /function/reecho HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n",
                   sizeof body);
    for (int i = 0; i < 72; i++) {
        int fd = raw_connect(d);
        struct reply r;

        raw_send(fd, head, strlen(head));
        raw_send(fd, body, sizeof body); /* returns when the connection is reset */
        r = post(d, "/function/reecho", "x", 1);
        if (r.status != 200 || strcmp(r.body, "x") != 0)
            fail_msg("call %d: %ld %s (curl %d)", i, r.status, r.body, r.error);
        reply_free(&r);
        (void)close(fd);
    }
}

/* ---- the queue ---- */

/* Calls that were sent ahead count as waiting, and are taken back if the first one is slow. */
static void
test_calls_sent_ahead_count_for_the_queue(void **state)
{
    const struct daemon *d = *state;
    struct pollfd fds[120];
    int served = 0;

    deploy_ok(d, "sudden", "memory=16M&max=1&queue=0&timeout=10s",
              "#include <hearth.h>\n#include <time.h>\nint hearth_handle(hearth_call *c) {\n"
              "  struct timespec t = {0, 300000000}; if (hearth_query(c, \"slow\")) nanosleep(&t, "
              "0); return hearth_printf(c, \"done\"); }\n");
    for (int i = 0; i < 50; i++) {                   /* quick ones */
        struct reply r = get(d, "/function/sudden"); /* another loop may see the deploy later */

        assert_true(r.status == 200 || r.status == 503);
        reply_free(&r);
    }
    for (int i = 0; i < 120; i++)
        fds[i] = (struct pollfd){.fd = raw_connect(d), .events = POLLIN};
    for (int i = 0; i < 120; i++)
        send_text(fds[i].fd,
                  "GET /function/sudden?slow HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    for (int i = 0; i < 120; i++) {
        char *got = raw_receive(fds[i].fd, NULL);

        if (strstr(got, " 200 OK") == NULL && strstr(got, "\"overloaded\"") == NULL)
            fail_msg("%s", got);
        served += strstr(got, " 200 OK") != NULL;
        free(got);
        (void)close(fds[i].fd);
    }
    assert_int_equal(served, 1);
}

/* ---- connection limit ---- */

/* What each of many clients sends at first, and then repeatedly. None of them reads. */
static const struct crowd {
    const char *name, *first, *again;
} crowds[] = {
    {"idle ones", "", ""},
    {"slow heads", "GET /function/hello HTTP/1.1\r\nHost: x\r\n", "X-A: b\r\n"},
    {"slow methods", "G", "E"},
    {"a body after 404", "POST /nothing HTTP/1.1\r\nHost: x\r\nContent-Length: 900000\r\n\r\n",
     "x"},
    {"chunks after 404",
     "POST /function/nothing HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
     "1\r\nx\r\n"},
    {"a body after 401",
     "PUT /v1/functions/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 900000\r\n\r\n", "x"},
    {"a body after 413",
     "POST /function/hello HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n\r\n", "x"},
    {"a body after an early answer",
     "POST /function/hello HTTP/1.1\r\nHost: x\r\nContent-Length: 900000\r\n\r\n", "x"},
    {"a body that is awaited",
     "POST /function/gather HTTP/1.1\r\nHost: x\r\nContent-Length: 900000\r\n\r\n", "x"},
    {"readers of nothing", "GET /function/flood?long HTTP/1.1\r\nHost: x\r\n\r\n",
     "GET /function/flood?long HTTP/1.1\r\nHost: x\r\n\r\n"},
    {"readers of no refusal", "GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n",
     "GET /nothing HTTP/1.1\r\nHost: x\r\n\r\nGET /nothing HTTP/1.1\r\nHost: x\r\n\r\n"},
};

static void
expect_hello(const struct daemon *d, const char *beside)
{
    struct reply r = get(d, "/function/hello");

    if (r.status != 200 || strcmp(r.body, "hello") != 0)
        fail_msg("a new client beside %s: %ld %s (curl %d)", beside, r.status, r.body, r.error);
    reply_free(&r);
}

static int
join_crowd(const struct daemon *d, const struct crowd *crowd)
{
    int small = 4096, fd = raw_connect(d);

    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    (void)send(fd, crowd->first, strlen(crowd->first), MSG_NOSIGNAL | MSG_DONTWAIT);
    return fd;
}

static void
test_no_crowd_shuts_a_new_client_out(void **state)
{
    const struct daemon *d = *state;
    static int fds[CROWD];

    deploy_ok(d, "flood", "memory=16M&max=4", large);
    deploy_ok(
        d, "gather", "memory=16M&max=4",
        "#include <hearth.h>\nint hearth_handle(hearth_call *c) { return hearth_body(c, NULL) "
        "== NULL; }\n");
    for (size_t k = 0; k < sizeof crowds / sizeof crowds[0]; k++) {
        for (int i = 0; i < CROWD; i++) {
            fds[i] = join_crowd(d, &crowds[k]);
            if (i % 100 == 99)
                expect_hello(d, crowds[k].name);
        }
        for (int round = 0; round < 5; round++) {
            for (int i = 0; i < CROWD; i++)
                (void)send(fds[i], crowds[k].again, strlen(crowds[k].again),
                           MSG_NOSIGNAL | MSG_DONTWAIT);
            expect_hello(d, crowds[k].name);
        }
        for (int i = 0; i < CROWD; i++)
            (void)close(fds[i]);
    }
}

/* Several kinds at once: the least valuable connections are closed, even if there are many older
 * ones. */
static void
test_a_mixed_crowd_shuts_nobody_out(void **state)
{
    const struct daemon *d = *state;
    static int fds[CROWD];

    for (int i = 0; i < CROWD; i++) {
        size_t kind = (size_t)(i < CROWD / 4 ? 0 : i) % (sizeof crowds / sizeof crowds[0]);

        fds[i] = join_crowd(d, &crowds[kind]);
        if (i % 50 == 49)
            expect_hello(d, "a mixture");
    }
    for (int i = 0; i < CROWD; i++)
        (void)close(fds[i]);
}

/* Places become free when the gateway reads that their clients are gone. */
static bool
says_hello(void *user)
{
    struct reply r = get(user, "/function/hello");
    bool ok = r.status == 200 && strcmp(r.body, "hello") == 0;

    reply_free(&r);
    return ok;
}

/* If every connection is being served, a new client is refused with 503. It is the first to get any
 * response. */
static void
test_without_a_place_a_client_hears_503(void **state)
{
    enum { MOST = 2 * PLACES }; /* other loops may be asked to close connections */
    const struct daemon *d = *state;
    static int fds[MOST];
    char *got = NULL;
    int n = 0;

    deploy_ok(d, "sleeper", "memory=16M&max=1&queue=2000&queue_timeout=60s&timeout=60s",
              "#include <hearth.h>\n#include <unistd.h>\nint hearth_handle(hearth_call *c) { "
              "sleep(50); return 0; }\n");
    for (; n < MOST && got == NULL; n++) {
        struct pollfd heard = {.events = POLLIN};

        fds[n] = heard.fd = raw_connect(d);
        send_text(fds[n], "GET /function/sleeper HTTP/1.1\r\nHost: x\r\n\r\n");
        if (n >= PLACES && poll(&heard, 1, 20) == 1)
            got = raw_receive(fds[n], NULL);
    }
    for (int i = 0; i < n; i++)
        (void)close(fds[i]);
    if (got == NULL || strstr(got, "HTTP/1.1 503 ") != got ||
        strstr(got, "\"overloaded\"") == NULL || strstr(got, "\r\nRetry-After: 1\r\n") == NULL)
        fail_msg("want 503 overloaded from one of %d, got %s", n, got != NULL ? got : "nothing");
    free(got);
    wait_for("a free place", says_hello, *state);
}

/* ---- fairness ---- */

#define MANY 1500

/* Whether a client with one request is answered before one that sends MANY requests at once. */
static bool
overtakes(const struct daemon *d, const char *flood, size_t n)
{
    int wide = 4 << 20, there = 0, greedy = raw_connect(d), modest = raw_connect(d);
    char *first, *all;
    bool before;

    (void)setsockopt(greedy, SOL_SOCKET, SO_RCVBUF, &wide, sizeof wide);
    raw_send(greedy, flood, n);
    send_text(modest, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    first = raw_receive(modest, "ok\n");
    assert_int_equal(ioctl(greedy, FIONREAD, &there), 0);
    all = raw_receive(greedy, "Connection: close");
    before = there < (int)strlen(all) / 2;
    free(first);
    free(all);
    (void)close(greedy);
    (void)close(modest);
    return before;
}

static void
test_one_client_s_many_requests_have_turns(void **state)
{
    static char flood[MANY * 32 + 128];
    size_t n = 0;
    bool overtook = false;

    for (int i = 0; i < MANY; i++)
        n += (size_t)sprintf(flood + n, "GET /x HTTP/1.1\r\nHost: x\r\n\r\n");
    n += (size_t)sprintf(flood + n, "GET /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    for (int i = 0; i < 20 && !overtook; i++)
        overtook = overtakes(*state, flood, n);
    assert_true(overtook);
}

/* A body that waits in a file takes a descriptor as well. A quarter of them are for such files. */
static void
test_bodies_in_files_leave_descriptors_for_instances(void **state)
{
    enum { CLIENTS = 400 };
    static const char part[150000];
    const struct daemon *d = *state;
    static int fds[CLIENTS];
    static struct pollfd p[CLIENTS];
    int refused = 0;

    deploy_ok(d, "bodies", "memory=16M&max_body=1M", hello);
    deploy_ok(d, "cold", "memory=16M", hello);
    for (int i = 0; i < CLIENTS; i++) {
        fds[i] = raw_connect(d);
        send_text(fds[i],
                  "POST /function/bodies HTTP/1.1\r\nHost: x\r\nContent-Length: 400000\r\n\r\n");
        raw_send(fds[i], part, sizeof part);
    }
    for (int i = 0; i < CLIENTS; i++) {
        /* what does not fit is refused with the next bytes */
        (void)send(fds[i], part, 70000, MSG_NOSIGNAL);
        p[i] = (struct pollfd){.fd = fds[i], .events = POLLIN};
    }
    assert_true(poll(p, CLIENTS, 5000 * harness_patience()) > 0); /* whose it is depends on loops */
    for (int i = 0; i < CLIENTS; i++) {
        char *got;

        if (poll(&p[i], 1, 0) != 1)
            continue;
        got = raw_receive(fds[i], "storage_full");
        assert_non_null(strstr(got, "HTTP/1.1 507 "));
        free(got);
        refused++;
    }
    assert_true(refused >= 1 && refused <= CLIENTS - 200);
    expect_body(d, "/function/cold", "hello");
    for (int i = 0; i < CLIENTS; i++)
        (void)close(fds[i]);
    wait_for("nothing that waits", nothing_waits, *state);
}

#define TEST(name) cmocka_unit_test_teardown(name, expect_same_gateway)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_no_crowd_shuts_a_new_client_out),
        TEST(test_a_mixed_crowd_shuts_nobody_out),
        TEST(test_without_a_place_a_client_hears_503),
        TEST(test_one_client_s_many_requests_have_turns),
        TEST(test_a_timeout_in_write_costs_no_other_call),
        TEST(test_large_echoes_one_after_another_end_no_call_between_them),
        TEST(test_calls_sent_ahead_count_for_the_queue),
        TEST(test_bodies_in_files_leave_descriptors_for_instances),
    };

    return RUN_TESTS("clients", tests, start, group_stop);
}
