/* test_exhaustion.c: exhaustion of scarce resources: descriptors, connections, processors,
 * instances. The daemon runs with its minimum of descriptors (1,024, unless it may raise the
 * limit).
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "attacks.h"
#include "run.h"

#define DESCRIPTORS 1024
#define IDLERS      700

static const char hello[] =
    "#include <hearth.h>\n"
    "int hearth_handle(hearth_call *c) { return hearth_printf(c, \"hello\"); }\n";

static pid_t gateway;

static int
start(void **state)
{
    struct rlimit few = {DESCRIPTORS, DESCRIPTORS};
    int status;

    if (setrlimit(RLIMIT_NOFILE, &few) != 0)
        return -1;
    status = group_start(state);
    deploy_ok(*state, "hello", "memory=16M&min=1", hello);
    deploy_ok(*state, "cold", "memory=16M&idle_timeout=1ms", hello);
    gateway = find_process(((struct daemon *)*state)->pid, "hearth-gateway");
    return status;
}

static void
expect_same_gateway(const struct daemon *d)
{
    assert_int_equal(find_process(d->pid, "hearth-gateway"), gateway);
}

static bool
is_closed(int fd)
{
    char byte;

    return recv(fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK) == 0;
}

/* ---- connections ---- */

static void
test_connections_that_ask_for_nothing_shut_nobody_out(void **state)
{
    const struct daemon *d = *state;
    static int fds[IDLERS];
    char limits[128];
    int closed = 0;

    for (int i = 0; i < IDLERS; i++) {
        fds[i] = raw_connect(d);
        if (i % 2)
            raw_send(fds[i], "GET /function/hello HTTP/1.1\r\nHos", 33); /* and no more */
    }
    expect_body(d, "/function/hello", "hello");
    expect_body(d, "/function/cold", "hello");
    expect_body(d, "/healthz", "ok\n");
    for (int i = 0; i < IDLERS; i++) {
        closed += is_closed(fds[i]);
        (void)close(fds[i]);
    }
    expect_same_gateway(d);
    (void)snprintf(limits, sizeof limits, "grep -Eq '^Max open files +%d ' /proc/%d/limits",
                   DESCRIPTORS, (int)gateway);
    if (system(limits) == 0) /* the limit was not raised: the oldest ones were closed */
        assert_true(closed >= IDLERS - DESCRIPTORS / 2);
}

/* Some instances got no descriptors; or all did, if the daemon could raise its limit. */
static bool
is_full_of_instances(void *user)
{
    const struct daemon *d = user;
    struct reply r = get(d, "/v1/functions/many");
    json_t *total = json_object_get(json_object_get(r.json, "instances"), "total");
    size_t len;
    char *log = read_whole(d->log, &len);
    bool full = json_integer_value(total) == 250 || strstr(log, "descriptors suffice") != NULL ||
                strstr(log, "no descriptors left") != NULL;

    free(log);
    reply_free(&r);
    return full;
}

static bool
cold_answers(void *user)
{
    struct reply r = get(user, "/function/cold");
    bool well = r.status == 200;

    reply_free(&r);
    return well;
}

/* More instances than it has descriptors for: the surplus fails, and nothing else. */
static void
test_instances_without_descriptors_fail_and_the_gateway_stays(void **state)
{
    const struct daemon *d = *state;
    struct reply r;

    deploy_ok(d, "many", "memory=4M&min=250&max=250", hello);
    wait_for("instances without descriptors, or all instances", is_full_of_instances,
             (void *)(uintptr_t)d);
    expect_body(d, "/healthz", "ok\n");
    expect_same_gateway(d);
    r = http(d, &(struct request){.method = "DELETE", .path = "/v1/functions/many"});
    assert_int_equal(r.status, 204);
    reply_free(&r);
    expect_body(d, "/function/hello", "hello");
    wait_for("descriptors for another instance", cold_answers, (void *)(uintptr_t)d);
    expect_same_gateway(d);
}

/* ---- instances ---- */

static json_int_t
instance_id(const struct daemon *d)
{
    struct reply r = get(d, "/v1/functions/attacker/instances");
    json_t *first = json_array_get(json_object_get(r.json, "instances"), 0);
    json_int_t id = json_integer_value(json_object_get(first, "id"));

    reply_free(&r);
    return id;
}

struct one_instance {
    const struct daemon *d;
    json_int_t id;
};

static bool
is_another(void *user)
{
    const struct one_instance *one = user;
    json_int_t id = instance_id(one->d);

    return id != 0 && id != one->id;
}

static void
test_an_instance_that_computes_without_a_call_is_ended(void **state)
{
    const struct daemon *d = *state;
    struct reply r = attack_deploy(d, "attacker", "burn_after", "min=1", true);
    struct one_instance one = {d, 0};

    if (r.status != 201)
        fail_msg("%ld %s", r.status, r.body);
    reply_free(&r);
    expect_body(d, "/function/attacker", "held\n");
    one.id = instance_id(d);
    wait_for("another instance in its place", is_another, &one);
    r = http(d, &(struct request){.method = "DELETE", .path = "/v1/functions/attacker"});
    reply_free(&r);
}

static json_int_t
started(const struct daemon *d)
{
    static const char name[] = "\nhearth_instances_started_total ";
    struct reply r = get(d, "/metrics");
    const char *at = strstr(r.body, name);
    json_int_t count = at != NULL ? atoll(at + strlen(name)) : -1;

    reply_free(&r);
    assert_true(count >= 0);
    return count;
}

/* No instance was started for a quarter of a second. */
static bool
is_calm(void *user)
{
    json_int_t before = started(user);

    (void)poll(NULL, 0, 250);
    return started(user) == before;
}

static void
test_instances_that_die_unserved_are_not_made_without_end(void **state)
{
    struct daemon *d = *state;
    struct reply r = attack_deploy(d, "attacker", "ready_and_gone", "min=1", true);
    json_int_t before = started(d);

    assert_int_equal(r.status, 201);
    reply_free(&r);
    wait_for("an end of new instances", is_calm, d);
    assert_true(started(d) - before < 10);
    expect_same_gateway(d);
    r = http(d, &(struct request){.method = "DELETE", .path = "/v1/functions/attacker"});
    reply_free(&r);
}

/* ---- the host's log ---- */

static unsigned
count_in_log(const struct daemon *d, const char *text)
{
    size_t len;
    char *log = read_whole(d->log, &len);
    unsigned n = 0;

    for (const char *at = log; (at = strstr(at, text)) != NULL; at++)
        n++;
    free(log);
    return n;
}

/* Every call makes an instance break the protocol. The log has one line per second, with the number
 * of suppressed ones. */
static void
test_noise_about_one_function_is_bounded_and_counted(void **state)
{
    const struct daemon *d = *state;
    struct reply r = attack_deploy(d, "attacker", "ring_backwards", NULL, true);
    time_t from = time(NULL);

    assert_int_equal(r.status, 201);
    reply_free(&r);
    for (int i = 0; i < 200; i++) {
        r = get(d, "/function/attacker");
        reply_free(&r);
    }
    wait_for_log(d, "more warnings about its instances were suppressed");
    assert_true(count_in_log(d, "broke the channel's protocol") <= time(NULL) - from + 2);
    expect_same_gateway(d);
    r = http(d, &(struct request){.method = "DELETE", .path = "/v1/functions/attacker"});
    reply_free(&r);
}

/* ---- operators' requests ---- */

static void
test_changes_without_end_are_refused_and_the_gateway_stays(void **state)
{
    const struct daemon *d = *state;
    char request[512];
    int fds[200];

    (void)snprintf(request, sizeof request,
                   "PATCH /v1/functions/hello HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n"
                   "Content-Length: 16\r\n\r\n{\"timeout\":\"6s\"}",
                   d->token);
    for (int i = 0; i < 200; i++) {
        fds[i] = raw_connect(d);
        raw_send(fds[i], request, strlen(request));
    }
    for (int i = 0; i < 200; i++) {
        char *answer = raw_receive(fds[i], "\r\n\r\n");

        if (strstr(answer, " 200 ") == NULL && strstr(answer, " 503 ") == NULL)
            fail_msg("%s", answer);
        free(answer);
        (void)close(fds[i]);
    }
    expect_same_gateway(d);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_connections_that_ask_for_nothing_shut_nobody_out),
        cmocka_unit_test(test_instances_without_descriptors_fail_and_the_gateway_stays),
        cmocka_unit_test(test_an_instance_that_computes_without_a_call_is_ended),
        cmocka_unit_test(test_instances_that_die_unserved_are_not_made_without_end),
        cmocka_unit_test(test_noise_about_one_function_is_bounded_and_counted),
        cmocka_unit_test(test_changes_without_end_are_refused_and_the_gateway_stays),
    };

    return RUN_TESTS("exhaustion", tests, start, group_stop);
}
