/* test_clients.c: clients that are slow, greedy or in a hurry, and what becomes of the
 * others: of their calls, of their connections and of their time.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "harness.h"

static const char hello[] =
    "#include <hearth.h>\n"
    "int hearth_handle(hearth_call *c) { return hearth_printf(c, \"hello\"); }\n";

/* With ?long it answers with 64 MiB, else with a word. */
static const char large[] =
    "#include <hearth.h>\nstatic char b[1 << 20];\n"
    "int hearth_handle(hearth_call *c) { if (hearth_query(c, \"long\")) for (int i = 0; i < 64; "
    "i++) if (hearth_write(c, b, sizeof b)) return 0; return hearth_printf(c, \"done\"); }\n";

static int
start(void **state)
{
    int status = group_start(state);

    deploy_ok(*state, "hello", "memory=16M&min=1", hello);
    return status;
}

/* ---- timeouts ---- */

/* A process that calls again and again until it is told to stop; it exits with 1 where an
 * answer was not "done" (503 is an answer as well: the line may be long). */
static pid_t
start_caller(const struct daemon *d, const char *path)
{
    pid_t pid = fork();

    if (pid != 0)
        return pid;
    (void)alarm(120);
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
            fail_msg("a call beside one that ran into its timeout failed: see above");
    }
}

/* A handler that waits in hearth_write leaves as soon as its client was cut off: what is
 * given to its instance then must not meet the kill that was meant for it. */
static void
test_a_timeout_in_write_costs_no_other_call(void **state)
{
    const struct daemon *d = *state;
    pid_t callers[4];

    deploy_ok(d, "large", "memory=16M&max=1&timeout=100ms", large);
    for (int i = 0; i < 4; i++)
        callers[i] = start_caller(d, "/function/large");
    for (int i = 0; i < 15; i++) {
        int fd = raw_connect(d);

        raw_send(fd, "GET /function/large?long HTTP/1.1\r\nHost: x\r\n\r\n", 46);
        wait_for_figure(d, "large", "errors", "timeout", i + 1);
        (void)close(fd);
    }
    stop_callers(callers, 4);
}

/* The same where one client sends all the calls, each as soon as the last was cut off: it
 * reads nothing before it has sent everything, and so runs into the timeout. */
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

/* Calls that were sent ahead wait as well, and come back where the first one is slow. */
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
    for (int i = 0; i < 50; i++) {                   /* quick ones: it is known for short calls */
        struct reply r = get(d, "/function/sudden"); /* from another loop it may be too soon */

        assert_true(r.status == 200 || r.status == 503);
        reply_free(&r);
    }
    for (int i = 0; i < 120; i++)
        fds[i] = (struct pollfd){.fd = raw_connect(d), .events = POLLIN};
    for (int i = 0; i < 120; i++)
        raw_send(fds[i].fd,
                 "GET /function/sudden?slow HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 68);
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

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_timeout_in_write_costs_no_other_call),
        cmocka_unit_test(test_large_echoes_one_after_another_end_no_call_between_them),
        cmocka_unit_test(test_calls_sent_ahead_count_for_the_queue),
    };

    return cmocka_run_group_tests_name("clients", tests, start, group_stop);
}
