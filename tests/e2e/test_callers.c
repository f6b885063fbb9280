/* test_callers.c: who calls, how many may, and what a call loses or keeps if its client or its
 * instance goes. */
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

#define HOST "Host: localhost\r\n"

/* ---- who calls ---- */

#define CLIENT                                                                                     \
    "#include <hearth.h>\n"                                                                        \
    "static const char *s(const char *v) { return v ? v : \"-\"; }\n"                              \
    "int hearth_handle(hearth_call *c) { return hearth_printf(c, \"%s %s %s %s\",\n"               \
    "  hearth_client(c), s(hearth_header(c, \"X-Forwarded-For\")),\n"                              \
    "  s(hearth_header(c, \"x-forwarded-proto\")), s(hearth_header(c, \"Forwarded\"))); }\n"

static void
expect_client(const struct daemon *d, const char *const *fields, const char *body)
{
    struct reply r = http(d, &(struct request){.path = "/function/client", .fields = fields});

    assert_string_equal(r.body, body);
    reply_free(&r);
}

static void
test_only_a_trusted_proxy_says_who_calls(void **state)
{
    static const char *const options[] = {"--trusted-proxies=127.0.0.1, 10.0.0.0/8, unix", NULL};
    static const char *const no_fields[] = {NULL};
    static const char *const one[] = {"X-Forwarded-For: 192.0.2.7", "X-Forwarded-Proto: https",
                                      NULL};
    static const char *const chain[] = {"X-Forwarded-For: 1.2.3.4, 192.0.2.7, 10.1.2.3", NULL};
    static const char *const odd[] = {"X-Forwarded-For: unknown", NULL};
    static const char *const standard[] = {
        "Forwarded: for=1.1.1.1, for=\"[2001:db8::7]:80\";proto=http", NULL};
    static const struct {
        const char *first, *second, *client;
    } forged[] = {
        {"Forwarded: for=9.9.9.9;host=\"x,for=7.7.7.7\"", NULL, "9.9.9.9 "},
        {"Forwarded: host=\"x;for=7.7.7.7\";for=9.9.9.9", NULL, "9.9.9.9 "},
        {"Forwarded: for=\"\\\"7.7.7.7\"", NULL, "127.0.0.1 "},
        {"X-Forwarded-For: 1.2.3.4", "X-Forwarded-For: 10.0.0.5", "1.2.3.4 "},
        {"X-Forwarded-For: 1.2.3.4, 10.0.0.5, ", NULL, "1.2.3.4 "},
        {"X-Forwarded-For: ,1.2.3.4,,", NULL, "1.2.3.4 "},
    };
    struct daemon d = {0};

    deploy_ok(*state, "client", "memory=16M", CLIENT);
    expect_client(*state, no_fields, "127.0.0.1 - - -");
    expect_client(*state, one, "127.0.0.1 - - -");
    expect_client(*state, standard, "127.0.0.1 - - -");
    daemon_start_with(&d, options);
    deploy_ok(&d, "client", "memory=16M", CLIENT);
    expect_client(&d, no_fields, "127.0.0.1 - - -");
    expect_client(&d, one, "192.0.2.7 192.0.2.7 https -");
    expect_client(&d, chain, "192.0.2.7 1.2.3.4, 192.0.2.7, 10.1.2.3 - -");
    expect_client(&d, odd, "127.0.0.1 unknown - -");
    expect_client(&d, standard, "2001:db8::7 - - for=1.1.1.1, for=\"[2001:db8::7]:80\";proto=http");
    for (size_t i = 0; i < sizeof forged / sizeof forged[0]; i++) {
        const char *const fields[] = {forged[i].first, forged[i].second, NULL};
        struct reply r = http(&d, &(struct request){.path = "/function/client", .fields = fields});

        if (strncmp(r.body, forged[i].client, strlen(forged[i].client)) != 0)
            fail_msg("%s: want %s, got %s", forged[i].first, forged[i].client, r.body);
        reply_free(&r);
    }
    daemon_remove(&d);
}

/* ---- limits ---- */

static void
expect_answer(const struct daemon *d, const char *request, const char *status, const char *holds)
{
    int fd = raw_connect(d);
    char *got;

    raw_send_text(fd, request);
    got = raw_receive(fd, holds);
    if (strncmp(got, status, strlen(status)) != 0 || strstr(got, holds) == NULL)
        fail_msg("%.100s: want %s %s, got %s", request, status, holds, got);
    free(got);
    (void)close(fd);
}

static void
test_limits_of_heads_and_of_clients_are_options(void **state)
{
    static const char *const options[] = {"--max-header=1K",        "--max-header-fields=8",
                                          "--max-url=100",          "--connections-per-address=4",
                                          "--keepalive-timeout=1s", NULL};
    static char request[4096];
    struct daemon d = {0};
    int fds[4];

    (void)state;
    daemon_start_with(&d, options);
    deploy_ok(&d, "echo", "memory=16M", ECHO);
    expect_answer(&d, "GET /function/echo HTTP/1.1\r\n" HOST "A: b\r\nC: d\r\n\r\n", "HTTP/1.1 200",
                  "Keep-Alive: timeout=1\r\n");
    expect_answer(&d,
                  "GET /function/echo HTTP/1.1\r\n" HOST
                  "A: b\r\nC: d\r\nE: f\r\nG: h\r\nI: j\r\nK: l\r\nM: n\r\nO: p\r\n\r\n",
                  "HTTP/1.1 431", "headers_too_large");
    (void)snprintf(request, sizeof request, "GET /function/echo?%0200d HTTP/1.1\r\n" HOST "\r\n",
                   0);
    expect_answer(&d, request, "HTTP/1.1 414", "uri_too_long");
    (void)snprintf(request, sizeof request,
                   "GET /function/echo HTTP/1.1\r\n" HOST "A: %01000d\r\n\r\n", 0);
    expect_answer(&d, request, "HTTP/1.1 431", "\"limit\":1024");
    for (int i = 0; i < 4; i++) {
        fds[i] = raw_connect(&d);
        raw_send_text(fds[i], "GET /function/echo HTTP/1.1\r\n" HOST "\r\n");
        free(raw_receive(fds[i], "\r\n\r\n"));
    }
    expect_answer(&d, "", "HTTP/1.1 503", "connections_per_address");
    (void)close(fds[0]);
    free(raw_receive(fds[1], NULL)); /* idle connections close by themselves */
    expect_answer(&d, "GET /function/echo HTTP/1.1\r\n" HOST "\r\n", "HTTP/1.1 200", "\r\n\r\n");
    for (int i = 1; i < 4; i++)
        (void)close(fds[i]);
    daemon_remove(&d);
}

/* A client whose call was refused is not read again at once. */
static void
test_a_refused_client_is_paced(void **state)
{
    const struct daemon *d = *state;
    int busy = raw_connect(d), fd = raw_connect(d);
    int64_t began;

    deploy_ok(d, "full", "memory=16M&max=1&queue=0&timeout=20s",
              "#include <hearth.h>\n#include <time.h>\nint hearth_handle(hearth_call *c) {\n"
              "  struct timespec t = {3, 0}; nanosleep(&t, 0); return 0; }\n");
    raw_send_text(busy, "GET /function/full HTTP/1.1\r\n" HOST "\r\n");
    wait_for_figure(d, "full", "instances", "busy", 1);
    began = harness_now_ms();
    for (int i = 0; i < 4; i++) {
        char *got;

        raw_send_text(fd, "GET /function/full HTTP/1.1\r\n" HOST "\r\n");
        got = raw_receive(fd, "\"overloaded\"");
        assert_non_null(strstr(got, "HTTP/1.1 503 "));
        free(got);
    }
    assert_true(harness_now_ms() - began >= 700);
    (void)close(fd);
    (void)close(busy);
}

/* ---- calls that are sent ahead ---- */

#define NAP_ECHO                                                                                   \
    "#include <hearth.h>\n#include <stdlib.h>\n#include <time.h>\n"                                \
    "int hearth_handle(hearth_call *c) { const char *ms = hearth_query(c, \"ms\");\n"              \
    "  long t = ms ? atol(ms) : 0; struct timespec s = {t / 1000, t % 1000 * 1000000}; size_t "    \
    "n;\n"                                                                                         \
    "  const void *b; nanosleep(&s, 0); b = hearth_body(c, &n);\n"                                 \
    "  return b == NULL || hearth_write(c, b, n); }\n"

static void
post_head(int fd, const char *target, size_t n)
{
    char head[200];

    (void)snprintf(head, sizeof head,
                   "POST /function/%s HTTP/1.1\r\n" HOST "Content-Length: %zu\r\n\r\n", target, n);
    raw_send_text(fd, head);
}

/* Calls that are short by their measured time are sent ahead. */
static void
make_short(int fd, const char *name)
{
    int on = 1;

    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    for (int i = 0; i < 300; i++) {
        post_head(fd, name, 3);
        raw_send_text(fd, "abc");
        free(raw_receive(fd, "abc"));
    }
}

static void
reset(int fd)
{
    const struct linger now = {.l_onoff = 1};

    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    (void)close(fd);
}

/* More calls than the ring has room for; the client of one that has no room yet goes. */
static void
test_a_client_that_goes_brings_no_others_into_disorder(void **state)
{
    enum { N = 60000, CALLS = 7 };
    static char body[N];
    const struct timespec a_moment = {.tv_nsec = 500000};
    const struct daemon *d = *state;

    memset(body, 'x', sizeof body);
    deploy_ok(d, "ahead", "memory=16M&max=1&max_body=8M", NAP_ECHO);
    for (int round = 0; round < 10; round++) {
        int first = raw_connect(d), gone = raw_connect(d), fds[CALLS];

        make_short(first, "ahead");
        for (int i = 0; i < CALLS; i++) {
            fds[i] = raw_connect(d);
            post_head(fds[i], "ahead", N);
            raw_send(fds[i], body, N - 1);
        }
        post_head(gone, "ahead", 10);
        raw_send_text(gone, "123456789");
        post_head(first, "ahead?ms=3", 3);
        raw_send_text(first, "abc");
        for (int i = 0; i < CALLS; i++)
            raw_send_text(fds[i], "x");
        raw_send_text(gone, "0");
        (void)nanosleep(&a_moment, NULL);
        reset(gone);
        for (int i = 0; i < CALLS; i++) {
            char *got = raw_receive(fds[i], "xx");

            if (strncmp(got, "HTTP/1.1 200", 12) != 0)
                fail_msg("call %d of round %d: %.300s", i, round, got);
            free(got);
            (void)close(fds[i]);
        }
        (void)close(first);
    }
}

/* A body that goes in several frames cannot be taken back, so it is not sent ahead. */
static void
test_a_timeout_ends_the_instance_whatever_waits_behind_it(void **state)
{
    enum { N = 70000 };
    static char body[N];
    const struct daemon *d = *state;

    memset(body, 'x', sizeof body);
    deploy_ok(d, "hangs", "memory=32M&max=2&max_body=8M&stream=true&timeout=1s", NAP_ECHO);
    for (int round = 0; round < 3; round++) {
        int first = raw_connect(d), second = raw_connect(d);
        char *got;

        make_short(first, "hangs");
        post_head(first, "hangs?ms=60000", 3);
        raw_send_text(first, "abc");
        post_head(second, "hangs", N);
        raw_send(second, body, N);
        got = raw_receive(first, "\"timeout\"");
        assert_non_null(strstr(got, "HTTP/1.1 504 "));
        free(got);
        got = raw_receive(second, "xxx");
        assert_non_null(strstr(got, "HTTP/1.1 200 "));
        free(got);
        (void)close(first);
        (void)close(second);
        wait_for_figure(d, "hangs", "instances", "busy", 0);
    }
}

/* A body that has waited for the disk does not keep its client from being watched. */
static void
test_a_vanished_client_is_seen_whatever_its_body(void **state)
{
    static const size_t chunks[] = {1, 30, 52, 100};
    const struct daemon *d = *state;
    int running = raw_connect(d);

    deploy_ok(d, "slowly", "memory=16M&max=1&timeout=60s&queue_timeout=60s", NAP_ECHO);
    post_head(running, "slowly?ms=60000", 1);
    raw_send_text(running, "x");
    wait_for_figure(d, "slowly", "instances", "busy", 1);
    for (size_t i = 0; i < sizeof chunks / sizeof chunks[0]; i++) {
        char *all = malloc(chunks[i] * 5000 + 1000);
        size_t n = (size_t)sprintf(all, "POST /function/slowly HTTP/1.1\r\n" HOST
                                        "Transfer-Encoding: chunked\r\n\r\n");
        int fd = raw_connect(d);

        for (size_t k = 0; k < chunks[i]; k++)
            n += (size_t)sprintf(all + n, "1000\r\n%04096d\r\n", 0);
        n += (size_t)sprintf(all + n, "0\r\n\r\n\r\n");
        raw_send(fd, all, n);
        wait_for_figure(d, "slowly", NULL, "waiting", 1);
        reset(fd);
        wait_for_figure(d, "slowly", NULL, "waiting", 0);
        free(all);
    }
    reset(running);
    wait_for("nothing that waits", nothing_waits, (void *)(uintptr_t)d);
}

/* ---- answers without content ---- */

static void
test_heads_say_what_the_function_said(void **state)
{
    static const struct {
        const char *target, *length;
    } rows[] = {{"?declare=100&flush=1", "100"},
                {"?declare=100&flush=1&status=304", "100"},
                {"?declare=100&write=40", "100"},
                {"?declare=500000&write=300000", "500000"},
                {"?write=40", "40"},
                {"?declare=100", "100"}};

    deploy_ok(
        *state, "length", "memory=16M",
        "#include <hearth.h>\n#include <stdlib.h>\n#include <string.h>\n"
        "int hearth_handle(hearth_call *c) { const char *v; static char b[400000];\n"
        "  if ((v = hearth_query(c, \"status\"))) hearth_status(c, atoi(v));\n"
        "  if ((v = hearth_query(c, \"declare\"))) hearth_set_header(c, \"Content-Length\", v);\n"
        "  if (hearth_query(c, \"flush\")) hearth_flush(c);\n"
        "  if ((v = hearth_query(c, \"write\"))) return hearth_write(c, b, (size_t)atoi(v));\n"
        "  return 0; }\n");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char request[200], want[64], *got;
        int fd = raw_connect(*state);

        (void)snprintf(request, sizeof request,
                       "HEAD /function/length%s HTTP/1.1\r\n" HOST
                       "\r\nGET /function/length?write=7 HTTP/1.1\r\n" HOST "\r\n",
                       rows[i].target);
        (void)snprintf(want, sizeof want, "\r\nContent-Length: %s\r\n", rows[i].length);
        raw_send_text(fd, request);
        got = raw_receive(fd, "\r\nContent-Length: 7\r\n");
        if (strstr(got, want) == NULL || strstr(got, "\r\nContent-Length: 7\r\n") == NULL)
            fail_msg("%s: %s", rows[i].target, got);
        free(got);
        (void)close(fd);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_only_a_trusted_proxy_says_who_calls),
        cmocka_unit_test(test_limits_of_heads_and_of_clients_are_options),
        cmocka_unit_test(test_a_refused_client_is_paced),
        cmocka_unit_test(test_a_client_that_goes_brings_no_others_into_disorder),
        cmocka_unit_test(test_a_timeout_ends_the_instance_whatever_waits_behind_it),
        cmocka_unit_test(test_a_vanished_client_is_seen_whatever_its_body),
        cmocka_unit_test(test_heads_say_what_the_function_said),
    };

    return RUN_TESTS("callers", tests, group_start, group_stop);
}
