/* test_bodies.c: no client holds an instance, whatever its pace, and no size costs memory: bodies
 * and responses wait with the platform, first in memory, then in a file. With `stream` they flow.
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "harness.h"
#include "run.h"

#define ECHO                                                                                       \
    "#include <hearth.h>\n"                                                                        \
    "int hearth_handle(hearth_call *c) { char b[16384]; ssize_t n;\n"                              \
    "  while ((n = hearth_read(c, b, sizeof b)) > 0)\n"                                            \
    "    if (hearth_write(c, b, (size_t)n)) return 1;\n"                                           \
    "  return n < 0; }\n"

/* Responds with as many bytes as the query's n says. */
#define LARGE                                                                                      \
    "#include <hearth.h>\n#include <stdlib.h>\nstatic char b[65536];\n"                            \
    "int hearth_handle(hearth_call *c) {\n"                                                        \
    "  long n = hearth_query(c, \"n\") ? atol(hearth_query(c, \"n\")) : 2;\n"                      \
    "  for (; n > 0; n -= (long)sizeof b)\n"                                                       \
    "    if (hearth_write(c, b, n < (long)sizeof b ? (size_t)n : sizeof b)) return 1;\n"           \
    "  return 0; }\n"

#define HOST "Host: localhost\r\n"

static void
test_slow_clients_hold_no_instance(void **state)
{
    const struct daemon *d = *state;
    int uploaders[2], readers[2];
    struct reply r;

    deploy_ok(d, "large", "memory=16M&max=2&timeout=20s&max_body=16M", LARGE);
    for (int i = 0; i < 2; i++) {
        uploaders[i] = raw_connect(d);
        readers[i] = raw_connect(d);
        raw_send_text(uploaders[i], "POST /function/large HTTP/1.1\r\n" HOST
                                    "Content-Length: 1000000\r\n\r\nsome");
        raw_send_text(readers[i], "GET /function/large?n=30000000 HTTP/1.1\r\n" HOST "\r\n");
    }
    wait_for("responses that wait in a file", disk_is_used, (void *)(uintptr_t)d);
    wait_for_figure(d, "large", "instances", "busy", 0);
    for (int i = 0; i < 100; i++) {
        r = get(d, "/function/large");
        assert_int_equal(r.status, 200);
        assert_int_equal(r.len, 2);
        reply_free(&r);
        for (int k = 0; k < 2; k++) {
            char byte;

            raw_send_text(uploaders[k], "x");
            assert_int_equal(recv(readers[k], &byte, 1, 0), 1);
        }
    }
    r = get(d, "/v1/functions/large");
    assert_null(json_object_get(json_object_get(r.json, "errors"), "timeout"));
    reply_free(&r);
    for (int i = 0; i < 2; i++) {
        (void)close(uploaders[i]);
        (void)close(readers[i]);
    }
    wait_for("nothing that waits", nothing_waits, (void *)(uintptr_t)d);
}

/* Sends all of a request, then reads all of its response. */
static void
exchange_all(const struct daemon *d, const char *name, size_t size)
{
    char head[256], *body = malloc(size), *got;
    int fd = raw_connect(d);
    size_t n = 0, room = size + (4 << 20);
    const char *at;

    fill_random(body, size);
    (void)snprintf(head, sizeof head,
                   "POST /function/%s HTTP/1.1\r\n" HOST
                   "Content-Length: %zu\r\nConnection: close\r\n\r\n",
                   name, size);
    raw_send_text(fd, head);
    raw_send(fd, body, size);
    got = malloc(room);
    for (ssize_t part = 1; part > 0 && n < room;) {
        part = recv(fd, got + n, room - n, 0);
        n += part > 0 ? (size_t)part : 0;
    }
    (void)close(fd);
    at = memmem(got, n, "\r\n\r\n", 4);
    assert_non_null(at);
    at += 4;
    /* the response is chunked */
    for (size_t matched = 0;;) {
        char *end;
        size_t part = strtoul(at, &end, 16);

        if (part == 0) {
            assert_int_equal(matched, size);
            break;
        }
        at = end + 2;
        assert_true(matched + part <= size);
        assert_memory_equal(at, body + matched, part);
        matched += part;
        at += part + 2;
    }
    free(got);
    free(body);
}

static void
test_a_client_that_sends_all_before_it_reads_gets_it_back(void **state)
{
    deploy_ok(*state, "echo", "memory=16M&max=1&max_body=65M&max_response=65M&timeout=30s", ECHO);
    exchange_all(*state, "echo", 64 << 20);
    exchange_all(*state, "echo", 70000);
    wait_for("nothing that waits", nothing_waits, *state);
}

static void
test_past_max_response_the_function_waits_for_its_client(void **state)
{
    const struct daemon *d = *state;
    char buf[65536];
    long long got = 0;
    int fd = raw_connect(d);

    deploy_ok(d, "long", "memory=16M&max=1&max_response=2M&timeout=20s", LARGE);
    raw_send_text(fd,
                  "GET /function/long?n=60000000 HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n");
    wait_for("a response that waits", disk_is_used, (void *)(uintptr_t)d);
    for (int i = 0; i < 5; i++) {
        assert_true(waiting_bytes(d, "disk") < 4 << 20);
        wait_for_figure(d, "long", "instances", "busy", 1);
    }
    for (ssize_t n; (n = recv(fd, buf, sizeof buf, 0)) > 0;)
        got += n;
    assert_true(got > 60000000);
    (void)close(fd);
    wait_for("nothing that waits", nothing_waits, (void *)(uintptr_t)d);
}

/* Of many clients whose bodies end in a file, each gets its own back. */
static void
test_bodies_in_files_are_not_mixed_up(void **state)
{
    enum { CLIENTS = 24, SIZE = 700000 };
    const struct daemon *d = *state;
    static char body[SIZE];
    int fds[CLIENTS];

    deploy_ok(d, "echoes", "memory=16M&max=2&max_body=1M", ECHO);
    for (int i = 0; i < CLIENTS; i++) {
        char head[160];

        fds[i] = raw_connect(d);
        (void)snprintf(head, sizeof head,
                       "POST /function/echoes HTTP/1.1\r\n" HOST
                       "Content-Length: %d\r\nConnection: close\r\n\r\n",
                       SIZE);
        raw_send_text(fds[i], head);
    }
    for (size_t at = 0; at < SIZE; at += SIZE / 10)
        for (int i = 0; i < CLIENTS; i++) {
            memset(body, 'a' + i, sizeof body);
            raw_send(fds[i], body, SIZE / 10);
        }
    for (int i = 0; i < CLIENTS; i++) {
        char *got = raw_receive(fds[i], NULL), other = (char)('a' + (i + 1) % CLIENTS);
        size_t own = 0;

        for (const char *p = strstr(got, "\r\n\r\n"); p != NULL && *p != '\0'; p++) {
            own += *p == 'a' + i;
            assert_true(*p != other || *p <= 'f'); /* a to f are digits of a chunk's size, too */
        }
        assert_true(own >= SIZE);
        free(got);
        (void)close(fds[i]);
    }
    wait_for("nothing that waits", nothing_waits, (void *)(uintptr_t)d);
}

static void
expect_problem(const struct daemon *d, const struct request *r, long status, const char *code)
{
    struct reply reply = http(d, r);

    if (reply.status != status || strcmp(reply_text(&reply, "code"), code) != 0)
        fail_msg("want %ld %s, got %ld %s", status, code, reply.status, reply.body);
    reply_free(&reply);
}

static void
test_a_full_share_of_the_disk_is_507_and_costs_nobody_else(void **state)
{
    static const char *const options[] = {"--spool-bytes=1M", NULL};
    struct daemon d = {0};
    char *body = calloc(1, 3 << 20);
    struct request large = {
        .method = "POST", .path = "/function/echo", .body = body, .len = 3 << 20};

    (void)state;
    daemon_start_with(&d, options);
    deploy_ok(&d, "echo", "memory=16M&max=1&max_body=4M", ECHO);
    for (int i = 0; i < 3; i++) {
        struct reply r;

        expect_problem(&d, &large, 507, "storage_full");
        wait_for("nothing that waits", nothing_waits, &d);
        r = post(&d, "/function/echo", body, 900000);
        assert_int_equal(r.status, 200);
        assert_int_equal(r.len, 900000);
        reply_free(&r);
    }
    daemon_remove(&d);
    free(body);
}

static void
test_a_full_file_system_is_507_and_costs_nobody_else(void **state)
{
    static const char *const options[] = {"--spool-bytes=64M", NULL};
    struct daemon d = {0};
    char *body = calloc(1, 6 << 20);
    struct reply r;
    int reader;

    (void)state;
    daemon_mount_state(&d, "4m");
    daemon_start_with(&d, options);
    deploy_ok(&d, "echo", "memory=16M&max=1&max_body=8M", ECHO);
    deploy_ok(&d, "large", "memory=16M&max=1&timeout=20s", LARGE);
    for (int i = 0; i < 3; i++)
        expect_problem(
            &d,
            &(struct request){
                .method = "POST", .path = "/function/echo", .body = body, .len = 6 << 20},
            507, "storage_full");
    wait_for("nothing that waits", nothing_waits, &d);
    r = post(&d, "/function/echo", body, 1 << 20);
    assert_int_equal(r.status, 200);
    assert_int_equal(r.len, 1 << 20);
    reply_free(&r);
    /* a response of which the disk holds a part reaches its client whole */
    reader = raw_connect(&d);
    raw_send_text(reader,
                  "GET /function/large?n=20000000 HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n");
    wait_for("a response that waits", disk_is_used, &d);
    r = get(&d, "/function/echo");
    assert_int_equal(r.status, 200);
    reply_free(&r);
    {
        long long got = 0;
        static char buf[65536];

        for (ssize_t n; (n = recv(reader, buf, sizeof buf, 0)) > 0;)
            got += n;
        assert_true(got > 20000000);
    }
    (void)close(reader);
    assert_int_equal(daemon_stop(&d), 0);
    daemon_remove(&d);
    free(body);
}

static void
test_bodies_that_wait_are_bounded_in_memory(void **state)
{
    enum { CLIENTS = 40 };
    static const char *const options[] = {"--queue-bytes=1M", NULL};
    static char part[60000];
    struct daemon d = {0};
    int fds[CLIENTS], refused = 0;

    (void)state;
    daemon_start_with(&d, options);
    deploy_ok(&d, "echo", "memory=16M&max=1", ECHO);
    for (int i = 0; i < CLIENTS; i++) {
        struct pollfd p;

        fds[i] = raw_connect(&d);
        raw_send_text(fds[i],
                      "POST /function/echo HTTP/1.1\r\n" HOST "Content-Length: 60001\r\n\r\n");
        raw_send(fds[i], part, sizeof part);
        assert_true(waiting_bytes(&d, "memory") <= 1 << 20);
        p = (struct pollfd){.fd = fds[i], .events = POLLIN};
        if (poll(&p, 1, 0) == 1) {
            char *got = raw_receive(fds[i], "queue_bytes");

            assert_non_null(strstr(got, "HTTP/1.1 503 "));
            assert_non_null(strstr(got, "\"overloaded\""));
            free(got);
            refused++;
        }
    }
    assert_true(refused >= CLIENTS / 2);
    for (int i = 0; i < CLIENTS; i++)
        (void)close(fds[i]);
    wait_for("nothing that waits", nothing_waits, &d);
    daemon_remove(&d);
}

/* ---- the timeouts of clients ---- */

static void
test_a_body_that_stalls_is_408(void **state)
{
    static const char *const options[] = {"--body-timeout=300ms", NULL};
    struct daemon d = {0};
    char *got;
    int fd;

    (void)state;
    daemon_start_with(&d, options);
    deploy_ok(&d, "echo", "memory=16M&max=1", ECHO);
    fd = raw_connect(&d);
    raw_send_text(fd, "POST /function/echo HTTP/1.1\r\n" HOST "Content-Length: 10\r\n\r\n");
    for (int i = 0; i < 10; i++) { /* as long as it makes progress it may take its time */
        struct pollfd refusal = {.fd = fd, .events = POLLIN};

        assert_int_equal(poll(&refusal, 1, 100), 0);
        raw_send_text(fd, "x");
    }
    got = raw_receive(fd, "xxxxxxxxxx");
    assert_non_null(strstr(got, "HTTP/1.1 200 "));
    free(got);
    raw_send_text(fd, "POST /function/echo HTTP/1.1\r\n" HOST "Content-Length: 10\r\n\r\nx");
    got = raw_receive(fd, NULL);
    assert_non_null(strstr(got, "HTTP/1.1 408 "));
    assert_non_null(strstr(got, "\"request_timeout\""));
    assert_non_null(strstr(got, "\r\nConnection: close\r\n"));
    free(got);
    (void)close(fd);
    wait_for_figure(&d, "echo", "errors", "request_timeout", 1);
    daemon_remove(&d);
}

static void
test_a_response_that_nobody_takes_ends(void **state)
{
    static const char *const options[] = {"--write-timeout=300ms", NULL};
    struct daemon d = {0};
    int fd;

    (void)state;
    daemon_start_with(&d, options);
    deploy_ok(&d, "large", "memory=16M&max=1", LARGE);
    fd = raw_connect(&d);
    raw_send_text(fd, "GET /function/large?n=30000000 HTTP/1.1\r\n" HOST "\r\n");
    wait_for("a response that waits", disk_is_used, &d);
    wait_for("a connection that was closed", nothing_waits, &d);
    (void)close(fd);
    daemon_remove(&d);
}

static void
test_a_half_closed_client_gets_its_answer(void **state)
{
    static const char *const requests[] = {
        "GET /function/slow HTTP/1.1\r\n" HOST "\r\n",
        "GET /function/slow HTTP/1.0\r\n\r\n",
        "POST /function/slow HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc",
        "GET /function/slow HTTP/1.1\r\n" HOST "\r\nGET /function/slow HTTP/1.1\r\n" HOST "\r\n",
    };

    deploy_ok(*state, "slow", "memory=16M",
              "#include <hearth.h>\n#include <time.h>\nint hearth_handle(hearth_call *c) {\n"
              "  struct timespec t = {0, 100000000}; nanosleep(&t, 0);\n"
              "  return hearth_printf(c, \"done\"); }\n");
    for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
        int fd = raw_connect(*state), count = 0;
        char *got;

        raw_send_text(fd, requests[i]);
        assert_int_equal(shutdown(fd, SHUT_WR), 0);
        got = raw_receive(fd, NULL);
        for (const char *at = got; (at = strstr(at, "done")) != NULL; at++)
            count++;
        if (count != (i == 3 ? 2 : 1))
            fail_msg("%s: %s", requests[i], got);
        free(got);
        (void)close(fd);
    }
}

static void
test_a_request_that_ends_within_itself_is_400(void **state)
{
    static const char *const requests[] = {
        "GET /function/slow HTTP/1.1\r\nHo",
        "POST /function/slow HTTP/1.1\r\n" HOST "Content-Length: 10\r\n\r\nabc",
        "POST /function/slow HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
        "PUT /v1/functions/x HTTP/1.1\r\n" HOST "Content-Length: 10\r\n\r\nabc",
    };

    for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
        int fd = raw_connect(*state);
        char *got;

        raw_send_text(fd, requests[i]);
        assert_int_equal(shutdown(fd, SHUT_WR), 0);
        got = raw_receive(fd, NULL);
        if (strstr(got, "HTTP/1.1 400 ") == NULL && strstr(got, "HTTP/1.1 401 ") == NULL)
            fail_msg("%s: %s", requests[i], got);
        free(got);
        (void)close(fd);
    }
}

/* A client that closes looks like a half-closed one, until something is written to it. */
static void
test_a_vanished_client_frees_its_waiting_call(void **state)
{
    const struct daemon *d = *state;
    int running = raw_connect(d), waiting = raw_connect(d);

    deploy_ok(d, "busy", "memory=16M&max=1&timeout=20s&queue_timeout=20s",
              "#include <hearth.h>\n#include <time.h>\nint hearth_handle(hearth_call *c) {\n"
              "  struct timespec t = {0, 10000000}; int i;\n"
              "  for (i = 0; i < 1500 && !hearth_query(c, \"quick\"); i++) {\n"
              "    nanosleep(&t, 0); if (i > 20 && hearth_printf(c, \".\")) return 0; }\n"
              "  return 0; }\n");
    raw_send_text(running, "GET /function/busy HTTP/1.1\r\n" HOST "\r\n");
    wait_for_figure(d, "busy", "instances", "busy", 1);
    raw_send_text(waiting, "GET /function/busy HTTP/1.1\r\n" HOST "\r\n");
    wait_for_figure(d, "busy", NULL, "waiting", 1);
    (void)close(waiting);
    wait_for_figure(d, "busy", NULL, "waiting", 0);
    (void)close(running); /* its next write fails, and it returns */
    wait_for_figure(d, "busy", "instances", "busy", 0);
}

/* ---- flush and events ---- */

#define EVENTS(how)                                                                                \
    "#include <hearth.h>\n#include <string.h>\n#include <time.h>\n"                                \
    "int hearth_handle(hearth_call *c) { struct timespec t = {0, 200000000};\n"                    \
    "  const char *type = hearth_query(c, \"type\"); char b[64]; int i;\n"                         \
    "  if (type && hearth_set_header(c, \"Content-Type\", type)) return 1;\n"                      \
    "  for (i = 0; i < 5; i++) { if (hearth_printf(c, \"data: %d\\n\\n\", i)) return 1;\n"         \
    "    " how "; nanosleep(&t, 0); (void)b; }\n"                                                  \
    "  return 0; }\n"

/* Each event arrives before the next one is written, 200 ms later; a timer of the machine may be
 * late, so only the order of three of them counts. */
static void
expect_events_one_by_one(const struct daemon *d, const char *target)
{
    char request[160];
    int64_t at[5];
    int fd = raw_connect(d);

    (void)snprintf(request, sizeof request, "GET %s HTTP/1.1\r\n" HOST "\r\n", target);
    raw_send_text(fd, request);
    for (int i = 0; i < 5; i++) {
        char event[16], *got;

        (void)snprintf(event, sizeof event, "data: %d\n\n", i);
        got = raw_receive(fd, event);
        if (strstr(got, event) == NULL)
            fail_msg("%s: %s is not there: %s", target, event, got);
        at[i] = harness_now_ms();
        free(got);
    }
    if (at[4] - at[0] < 500)
        fail_msg("%s: five events over 800 ms arrived within %lld ms", target,
                 (long long)(at[4] - at[0]));
    (void)close(fd);
}

static void
test_events_and_what_is_flushed_are_not_delayed(void **state)
{
    static const char *const modes[] = {"memory=16M", "memory=16M&stream=true"};

    for (size_t i = 0; i < 2; i++) {
        deploy_ok(*state, "events", modes[i], EVENTS(""));
        expect_events_one_by_one(*state, "/function/events?type=text/event-stream");
        expect_events_one_by_one(*state,
                                 "/function/events?type=Text/Event-Stream;%20charset=utf-8");
        deploy_ok(*state, "flushes", modes[i], EVENTS("if (hearth_flush(c)) return 1"));
        expect_events_one_by_one(*state, "/function/flushes");
    }
}

/* A function that waits for more of its body has not kept back what it wrote. */
static void
test_what_was_written_leaves_when_the_function_waits_for_its_body(void **state)
{
    int fd = raw_connect(*state);

    deploy_ok(*state, "talk", "memory=16M&stream=true", ECHO);
    raw_send_text(fd, "POST /function/talk HTTP/1.1\r\n" HOST "Content-Length: 40\r\n\r\n");
    for (int i = 0; i < 10; i++) {
        char word[8], *got;

        (void)snprintf(word, sizeof word, "ab%02d", i);
        raw_send_text(fd, word);
        got = raw_receive(fd, word);
        assert_non_null(strstr(got, word));
        free(got);
    }
    (void)close(fd);
}

static void
test_a_head_can_be_sent_alone(void **state)
{
    int fd = raw_connect(*state);
    char *got;

    deploy_ok(*state, "head", "memory=16M",
              "#include <hearth.h>\n#include <time.h>\nint hearth_handle(hearth_call *c) {\n"
              "  struct timespec t = {0, 300000000}; hearth_status(c, 202);\n"
              "  if (hearth_flush(c) || hearth_flush(c) || !hearth_status(c, 200)) return 1;\n"
              "  nanosleep(&t, 0); return hearth_printf(c, \"body\"); }\n");
    raw_send_text(fd, "GET /function/head HTTP/1.1\r\n" HOST "\r\n");
    got = raw_receive(fd, "\r\n\r\n");
    assert_non_null(strstr(got, "HTTP/1.1 202 "));
    assert_null(strstr(got, "body"));
    free(got);
    got = raw_receive(fd, "0\r\n\r\n");
    assert_non_null(strstr(got, "body"));
    free(got);
    (void)close(fd);
}

static const char *
example(const char *name)
{
    static char path[512];
    const char *folder = getenv("HEARTH_EXAMPLES");

    if (folder == NULL)
        fail_msg("HEARTH_EXAMPLES must name the folder of the examples");
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void
test_the_examples_of_streams_do_what_they_say(void **state)
{
    const struct daemon *d = *state;
    const size_t size = 5 << 20;
    char *body = calloc(1, size), path[] = "/tmp/hearth-gzip-XXXXXX", command[256];
    int file = mkstemp(path);
    struct reply r;

    deploy_file(d, "clock", "stream=true&timeout=1h", example("clock.c"));
    r = get(d, "/function/clock?seconds=2");
    assert_int_equal(r.status, 200);
    assert_int_equal(r.len, 2 * strlen("data: 00:00:00\n\n"));
    reply_free(&r);
    deploy_file(d, "gzip", "memory=16M&libs=z&stream=true&max_body=0", example("gzip.c"));
    fill_random(body, size / 2);
    r = http(d, &(struct request){.method = "POST",
                                  .path = "/function/gzip",
                                  .body = body,
                                  .len = size,
                                  .chunked = true});
    assert_int_equal(r.status, 200);
    assert_int_equal(write(file, r.body, r.len), r.len);
    (void)close(file);
    (void)snprintf(command, sizeof command, "[ $(gzip -dc %s | wc -c) = %zu ]", path, size);
    assert_int_equal(system(command), 0);
    reply_free(&r);
    (void)unlink(path);
    free(body);
}

/* What the tests wait for depends neither on the pace of a disk nor on what is free there, of which
 * hearthd takes a tenth. */
static int
start(void **state)
{
    static const char *const options[] = {"--spool-bytes=1G", NULL};
    static struct daemon d;

    daemon_mount_state(&d, "1g");
    daemon_start_with(&d, options);
    *state = &d;
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slow_clients_hold_no_instance),
        cmocka_unit_test(test_a_client_that_sends_all_before_it_reads_gets_it_back),
        cmocka_unit_test(test_past_max_response_the_function_waits_for_its_client),
        cmocka_unit_test(test_bodies_in_files_are_not_mixed_up),
        cmocka_unit_test(test_a_full_share_of_the_disk_is_507_and_costs_nobody_else),
        cmocka_unit_test(test_a_full_file_system_is_507_and_costs_nobody_else),
        cmocka_unit_test(test_bodies_that_wait_are_bounded_in_memory),
        cmocka_unit_test(test_a_body_that_stalls_is_408),
        cmocka_unit_test(test_a_response_that_nobody_takes_ends),
        cmocka_unit_test(test_a_half_closed_client_gets_its_answer),
        cmocka_unit_test(test_a_request_that_ends_within_itself_is_400),
        cmocka_unit_test(test_a_vanished_client_frees_its_waiting_call),
        cmocka_unit_test(test_events_and_what_is_flushed_are_not_delayed),
        cmocka_unit_test(test_what_was_written_leaves_when_the_function_waits_for_its_body),
        cmocka_unit_test(test_a_head_can_be_sent_alone),
        cmocka_unit_test(test_the_examples_of_streams_do_what_they_say),
    };

    return RUN_TESTS("bodies", tests, start, group_stop);
}
