/* test_loops.c: several event loops, many clients, functions that crash in every way, and an
 * operator who changes them meanwhile. Every response is the function's own or a possible problem.
 * Afterwards everything still works.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"
#include "run.h"

#define CLIENTS  8
#define REQUESTS 400

#define ECHO                                                                                       \
    "#include <hearth.h>\n"                                                                        \
    "int hearth_handle(hearth_call *c) { size_t n; const void *b = hearth_body(c, &n);\n"          \
    "  return hearth_write(c, b, n); }\n"
#define TROUBLE                                                                                    \
    "#include <hearth.h>\n#include <stdlib.h>\n#include <string.h>\n#include <time.h>\n"           \
    "int hearth_handle(hearth_call *c) {\n"                                                        \
    "  const char *how = hearth_query(c, \"how\"); struct timespec t = {0, 200000000};\n"          \
    "  if (!strcmp(how, \"abort\")) abort();\n  if (!strcmp(how, \"exit\")) exit(3);\n"            \
    "  if (!strcmp(how, \"fail\")) return 7;\n  if (!strcmp(how, \"slow\")) nanosleep(&t, 0);\n"   \
    "  return hearth_printf(c, \"%s\", how); }\n"

/* Child processes cannot use the harness: a failed check ends them with a status. */
static void
must(bool ok, const char *what, const char *got)
{
    if (ok)
        return;
    (void)dprintf(2, "client: %s: \"%.600s\"\n", what, got);
    _exit(1);
}

/* Receives one response of a kept-alive connection: its head, then its body by Content-Length. */
static void
receive(int fd, char *answer, size_t room)
{
    size_t len = 0, want = 0;
    char *body = NULL, *length;

    do {
        ssize_t got = recv(fd, answer + len, room - 1 - len, 0);

        must(got > 0, "the connection ended after", len > 0 ? answer : "");
        len += (size_t)got;
        answer[len] = '\0';
        if (body == NULL && (body = strstr(answer, "\r\n\r\n")) != NULL) {
            length = strstr(answer, "Content-Length: ");
            must(length != NULL && length < body, "no length", answer);
            want = (size_t)(body + 4 - answer) + strtoul(length + 16, NULL, 10);
        }
    } while (body == NULL || len < want);
    must(len == want, "more than one answer", answer);
}

static void
echo_once(int fd, unsigned *seed)
{
    char request[2048], answer[4096];
    int size = rand_r(seed) % 1000 + 1;
    int n = sprintf(request,
                    "POST /function/echo HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", size);
    char letter = (char)('a' + rand_r(seed) % 26);

    memset(request + n, letter, (size_t)size);
    raw_send(fd, request, (size_t)(n + size));
    receive(fd, answer, sizeof answer);
    must(strstr(answer, " 200 OK") != NULL, "an echo failed", answer);
    must((int)strspn(strstr(answer, "\r\n\r\n") + 4, (char[]){letter, '\0'}) == size,
         "another's body", answer);
}

static void
trouble_once(int fd, unsigned *seed)
{
    static const char *const ways[] = {"abort", "exit", "fail", "slow", "fine"};
    static const char *const answers[] = {"\"function_crashed\"", "\"function_crashed\"",
                                          "\"function_failed\"", "\"timeout\"", "fine"};
    int way = rand_r(seed) % 5;
    char request[256], answer[4096];
    int n = sprintf(request, "GET /function/trouble?how=%s HTTP/1.1\r\nHost: x\r\n\r\n", ways[way]);

    raw_send(fd, request, (size_t)n);
    receive(fd, answer, sizeof answer);
    /* the queue timeout of 100 ms may pass on a busy machine */
    must(strstr(answer, answers[way]) != NULL || strstr(answer, "\"overloaded\"") != NULL ||
             strstr(answer, "\"timeout\"") != NULL,
         ways[way], answer);
}

/* Calls a function that may or may not exist. */
static void
fleeting_once(int fd)
{
    static const char request[] = "GET /function/fleeting HTTP/1.1\r\nHost: x\r\n\r\n";
    char answer[4096];

    raw_send(fd, request, sizeof request - 1);
    receive(fd, answer, sizeof answer);
    must(strstr(answer, "here") != NULL || strstr(answer, "\"function_not_found\"") != NULL,
         "a function that comes and goes", answer);
}

/* Sends a call and disconnects. */
static void
leave(const struct daemon *d)
{
    int fd = raw_connect(d);

    raw_send(fd, "GET /function/trouble?how=slow HTTP/1.1\r\nHost: x\r\n\r\n", 53);
    (void)close(fd);
}

static _Noreturn void
client(const struct daemon *d, unsigned seed)
{
    int fd = raw_connect(d);

    for (int i = 0; i < REQUESTS; i++) {
        int what = rand_r(&seed) % 100;

        if (what < 70)
            echo_once(fd, &seed);
        else if (what < 80)
            trouble_once(fd, &seed);
        else if (what < 90)
            fleeting_once(fd);
        else if (what < 93)
            leave(d);
        else {
            (void)close(fd);
            fd = raw_connect(d);
        }
    }
    _exit(0);
}

static void
change_something(const struct daemon *d, unsigned *seed)
{
    static const char json[] = "{\"max\": 3, \"timeout\": 100}";
    struct reply r;

    switch (rand_r(seed) % 4) {
    case 0:
        deploy_ok(d, "fleeting", "memory=16M",
                  "#include <hearth.h>\nint hearth_handle(hearth_call *c) {"
                  " return hearth_printf(c, \"here\"); }\n");
        break;
    case 1:
        r = http(d, &(struct request){.method = "DELETE", .path = "/v1/functions/fleeting"});
        assert_true(r.status == 204 || r.status == 404);
        reply_free(&r);
        break;
    case 2:
        deploy_ok(d, "echo", "", ECHO);
        break;
    default:
        r = http(d, &(struct request){.method = "PATCH",
                                      .path = "/v1/functions/trouble",
                                      .body = json,
                                      .len = sizeof json - 1});
        assert_int_equal(r.status, 200);
        reply_free(&r);
    }
    r = get(d, "/v1/functions/echo/instances");
    assert_int_equal(r.status, 200);
    reply_free(&r);
    r = get(d, "/metrics");
    assert_int_equal(r.status, 200);
    reply_free(&r);
}

static void
test_loops_under_everything_at_once_answer_every_call(void **state)
{
    struct daemon *d = *state;
    unsigned seed;
    pid_t pids[CLIENTS];
    int left = CLIENTS;

    fill_random(&seed, sizeof seed);
    deploy_ok(d, "echo", "memory=16M&max=4&queue=1000&queue_timeout=30s", ECHO);
    deploy_ok(d, "trouble", "memory=16M&max=3&timeout=100ms&queue=1000&queue_timeout=30s", TROUBLE);
    for (int i = 0; i < CLIENTS; i++) {
        pids[i] = fork();
        assert_true(pids[i] >= 0);
        if (pids[i] == 0)
            client(d, seed + (unsigned)i);
    }
    while (left > 0) {
        int status;
        pid_t ended = waitpid(-1, &status, WNOHANG);

        if (ended > 0 && ended != d->pid) {
            left--;
            assert_true(WIFEXITED(status));
            assert_int_equal(WEXITSTATUS(status), 0);
        }
        change_something(d, &seed);
    }
    wait_for_figure(d, "trouble", "instances", "busy", 0);
    wait_for_figure(d, "echo", "instances", "busy", 0);
}

/* ---- loops that join ---- */

static _Noreturn void
list_for_ever(const struct daemon *d)
{
    char request[256], answer[65536];
    int n = sprintf(request,
                    "GET /v1/functions HTTP/1.1\r\nHost: x\r\n"
                    "Authorization: Bearer %s\r\n\r\n",
                    d->token);
    int fd = raw_connect(d);

    for (;;) {
        raw_send(fd, request, (size_t)n);
        receive(fd, answer, sizeof answer);
    }
}

static bool
two_loops_serve(void *user)
{
    struct reply r = get(user, "/metrics");
    bool two = strstr(r.body, "\nhearth_loops_active 2\n") != NULL;

    reply_free(&r);
    return two;
}

static bool
one_loop_serves(void *user)
{
    return !two_loops_serve(user);
}

static void
test_a_second_loop_joins_a_busy_one_and_leaves_again(void **state)
{
    enum { LISTERS = 3, FUNCTIONS = 30 };
    static const char *const options[] = {"--threads", "2", NULL};
    struct daemon d = {0};
    pid_t pids[LISTERS];

    (void)state;
    if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
        return; /* no core is idle for it */
    (void)unsetenv("HEARTH_THREADS");
    (void)setenv("HEARTH_PATIENCE", "6", 0); /* it takes a second with half an idle core */
    daemon_start_with(&d, options);
    for (int i = 0; i < FUNCTIONS; i++) {
        char name[16];

        (void)snprintf(name, sizeof name, "f%d", i);
        deploy_ok(&d, name, "memory=16M", ECHO);
    }
    assert_true(one_loop_serves(&d));
    for (int i = 0; i < LISTERS; i++) {
        pids[i] = fork();
        if (pids[i] == 0)
            list_for_ever(&d);
    }
    wait_for("a second loop to join", two_loops_serve, &d);
    for (int i = 0; i < LISTERS; i++) {
        (void)kill(pids[i], SIGKILL);
        (void)waitpid(pids[i], NULL, 0);
    }
    wait_for("the second loop to leave", one_loop_serves, &d);
    daemon_remove(&d);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_loops_under_everything_at_once_answer_every_call),
        cmocka_unit_test(test_a_second_loop_joins_a_busy_one_and_leaves_again),
    };

    return RUN_TESTS("loops", tests, group_start, group_stop);
}
