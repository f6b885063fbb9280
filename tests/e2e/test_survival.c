/* test_survival.c: the gateway dies or stands still, under load; many functions at a start. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"
#include "run.h"

#define KILLS   100
#define CALLERS 4
#define PAD     2000 /* of an answer: "NUMBER " and so many dots */

/* Answers its query, padded; half of the instances' answers leave in more than one write. */
static const char echo[] = "#include <hearth.h>\n#include <string.h>\n"
                           "int hearth_handle(hearth_call *c) { char dots[2001]; memset(dots, '.', "
                           "2000); dots[2000] = 0;\n"
                           "return hearth_printf(c, \"%s %s\", hearth_query_string(c), dots); }\n";

/* ---- clients ---- */

struct load {
    const struct daemon *d;
    _Atomic int kills; /* counted before each */
    _Atomic bool stop;
    _Atomic long answered, cut, refused, wrong, cut_alone;
    _Atomic int seen; /* the number of kills when the last answer came */
    char bad[160];    /* the first wrong answer */
};

enum outcome { ANSWERED, CUT, REFUSED, WRONG };

/* Whether the bytes are a whole answer, and if so, whether it is the right one. */
static bool
is_whole(const char *got, long number, bool *right)
{
    char want[PAD + 32];
    const char *body = strstr(got, "\r\n\r\n");
    const char *length = body != NULL ? strstr(got, "Content-Length: ") : NULL;

    if (length == NULL || length > body || strlen(body + 4) < (size_t)atol(length + 16))
        return false;
    (void)snprintf(want, sizeof want, "%ld ", number);
    memset(want + strlen(want), '.', PAD);
    want[strcspn(want, ".") + PAD] = '\0';
    *right = strncmp(got, "HTTP/1.1 200 OK\r\n", 17) == 0 && strcmp(body + 4, want) == 0;
    return true;
}

static enum outcome
call_once(struct load *load, int *fd, long number)
{
    char request[96], got[4096] = "";
    size_t n = 0;
    bool right = false;

    if (*fd < 0 && (*fd = raw_try(load->d->port)) < 0)
        return REFUSED;
    (void)snprintf(request, sizeof request, "GET /function/echo?%ld HTTP/1.1\r\nHost: x\r\n\r\n",
                   number);
    if (send(*fd, request, strlen(request), MSG_NOSIGNAL) != (ssize_t)strlen(request))
        return CUT;
    while (!is_whole(got, number, &right)) {
        ssize_t more = n < sizeof got - 1 ? recv(*fd, got + n, sizeof got - 1 - n, 0) : 0;

        if (more <= 0)
            return CUT;
        n += (size_t)more;
        got[n] = '\0';
    }
    if (!right && load->wrong == 0)
        (void)snprintf(load->bad, sizeof load->bad, "%.150s", got);
    return right ? ANSWERED : WRONG;
}

/* Every second caller keeps its connection. */
static void *
keep_calling(void *arg)
{
    static _Atomic int callers;
    struct load *load = arg;
    bool keeps = callers++ % 2 == 0;
    int fd = -1;

    for (long i = callers * 1000000L; !load->stop; i++) {
        int kills = load->kills;
        enum outcome outcome = call_once(load, &fd, i);

        load->answered += outcome == ANSWERED;
        load->refused += outcome == REFUSED;
        load->wrong += outcome == WRONG;
        load->cut += outcome == CUT;
        if (outcome == CUT && kills == load->kills && !keeps)
            load->cut_alone++; /* no gateway was killed in this call */
        if (outcome == ANSWERED && kills > load->seen)
            load->seen = kills;
        if ((outcome != ANSWERED || !keeps) && fd >= 0) {
            (void)close(fd);
            fd = -1;
        }
    }
    if (fd >= 0)
        (void)close(fd);
    return NULL;
}

static bool
serves_after_the_kill(void *user)
{
    struct load *load = user;

    return load->seen >= load->kills;
}

/* ---- an operator, who changes a setting all the time ---- */

struct operator
{
    const struct daemon *d;
    _Atomic bool stop;
    long acknowledged, asked, lost;
};

static long
timeout_of(const struct daemon *d, long *status)
{
    struct reply r = get(d, "/v1/functions/echo");
    long ms = r.status == 200 ? (long)json_integer_value(
                                    json_object_get(json_object_get(r.json, "settings"), "timeout"))
                              : 0;

    *status = r.error == 0 ? r.status : 0;
    reply_free(&r);
    return ms;
}

static void *
keep_changing(void *arg)
{
    struct operator* op = arg;

    while (!op->stop) {
        char body[48];
        struct reply r;
        long now, status;

        op->asked = 5000 + (op->asked - 5000 + 1) % 5000;
        (void)snprintf(body, sizeof body, "{\"timeout\": %ld}", op->asked);
        r = patch(op->d, "/v1/functions/echo", body);
        if (r.error == 0 && r.status == 200)
            op->acknowledged = op->asked;
        reply_free(&r);
        now = timeout_of(op->d, &status);
        if (status == 0)
            continue; /* it was killed meanwhile */
        if (status != 200 || (now != op->acknowledged && now != op->asked))
            op->lost++;
        op->acknowledged = now;
    }
    return NULL;
}

static int
compare(const void *a, const void *b)
{
    return *(const int64_t *)a < *(const int64_t *)b ? -1 : 1;
}

static void
test_a_gateway_killed_a_hundred_times_refuses_no_client(void **state)
{
    struct daemon d = {0};
    struct load load = {.d = &d};
    struct operator op = {.d = &d, .acknowledged = 5000, .asked = 5000};
    pthread_t callers[CALLERS], changer;
    int64_t took[KILLS];
    pid_t last = 0;

    (void)state;
    daemon_start(&d);
    deploy_ok(&d, "echo", "memory=16M&max=4", echo);
    for (int i = 0; i < CALLERS; i++)
        assert_int_equal(pthread_create(&callers[i], NULL, keep_calling, &load), 0);
    assert_int_equal(pthread_create(&changer, NULL, keep_changing, &op), 0);
    for (int i = 0; i < KILLS; i++) {
        pid_t gateway = find_process(d.pid, "hearth-gateway");
        int64_t begun;

        assert_int_not_equal(gateway, last);
        last = gateway;
        load.kills++;
        begun = harness_now_ms();
        (void)kill(gateway, SIGKILL);
        wait_for("an answer after the kill", serves_after_the_kill, &load);
        took[i] = harness_now_ms() - begun;
    }
    load.stop = op.stop = true;
    for (int i = 0; i < CALLERS; i++)
        (void)pthread_join(callers[i], NULL);
    (void)pthread_join(changer, NULL);
    qsort(took, KILLS, sizeof took[0], compare);
    print_message("# %d kills: %ld answered, %ld cut; to the next answer: p50 %lld ms, max %lld\n",
                  KILLS, load.answered, load.cut, (long long)took[KILLS / 2],
                  (long long)took[KILLS - 1]);
    if (load.wrong > 0)
        fail_msg("%ld wrong answers: %s", load.wrong, load.bad);
    assert_int_equal(load.refused, 0);
    assert_int_equal(load.cut_alone, 0);
    assert_true(load.cut <= KILLS * CALLERS);
    assert_int_equal(op.lost, 0);
    assert_int_equal(daemon_stop(&d), 0);
    daemon_remove(&d);
}

/* ---- many functions ---- */

#define MANY 1000

static void
test_a_thousand_functions_are_served_after_a_start(void **state)
{
    struct daemon d = {0};
    char command[300];
    int64_t begun;

    (void)state;
    daemon_start(&d);
    deploy_ok(&d, "f0", "memory=16M", echo);
    assert_int_equal(daemon_stop(&d), 0);
    (void)snprintf(command, sizeof command,
                   "cd %s/functions && for i in $(seq %d); do cp -a f0 f$i; done", d.state,
                   MANY - 1);
    assert_int_equal(system(command), 0);
    for (int i = 0; i < 2; i++) {
        struct reply r;

        begun = harness_now_ms();
        daemon_start(&d);
        r = get(&d, "/function/f999?1");
        assert_int_equal(r.status, 200);
        reply_free(&r);
        print_message("# start with %d functions, to the first answer: %lld ms\n", MANY,
                      (long long)(harness_now_ms() - begun));
        (void)kill(d.pid, SIGKILL); /* of the launcher: the next start finds what it left */
        (void)waitpid(d.pid, NULL, 0);
        d.pid = 0;
    }
    daemon_remove(&d);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_gateway_killed_a_hundred_times_refuses_no_client),
        cmocka_unit_test(test_a_thousand_functions_are_served_after_a_start),
    };

    return RUN_TESTS("survival", tests, NULL, NULL);
}
