/* test_call.c: calling functions: hearth.h, and HTTP as clients use it. */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "harness.h"
#include "run.h"

#define INFO                                                                                       \
    "#include <hearth.h>\n"                                                                        \
    "static const char *or_none(const char *s) { return s != NULL ? s : \"(none)\"; }\n"           \
    "int hearth_handle(hearth_call *c) {\n"                                                        \
    "  size_t n = 0; const char *b = hearth_body(c, &n);\n"                                        \
    "  if (b == NULL) return 1;\n"                                                                 \
    "  return hearth_printf(c, \"%s|%s|%s|%s|%s|%s|%.*s\", hearth_method(c), hearth_path(c),\n"    \
    "    or_none(hearth_query(c, \"q\")), or_none(hearth_query_string(c)),\n"                      \
    "    or_none(hearth_header(c, \"x-thing\")), hearth_call_id(c), (int)n, b); }\n"

#define ECHO                                                                                       \
    "#include <hearth.h>\n"                                                                        \
    "int hearth_handle(hearth_call *c) { size_t n; const void *b = hearth_body(c, &n);\n"          \
    "  return b == NULL ? 1 : hearth_write(c, b, n); }\n"

#define STREAM                                                                                     \
    "#include <hearth.h>\n"                                                                        \
    "int hearth_handle(hearth_call *c) { char b[3000]; ssize_t n;\n"                               \
    "  while ((n = hearth_read(c, b, sizeof b)) > 0) if (hearth_write(c, b, (size_t)n)) return "   \
    "1;\n"                                                                                         \
    "  return n < 0; }\n"

static int
start(void **state)
{
    int status = group_start(state);

    deploy_ok(*state, "info", "memory=16M", INFO);
    deploy_ok(*state, "echo", "memory=16M&max_body=8M", ECHO);
    deploy_ok(*state, "stream", "memory=16M&max_body=64M", STREAM);
    return status;
}

static void
expect(struct reply r, const char *body)
{
    if (r.status != 200 || strcmp(r.body, body) != 0)
        fail_msg("want 200 %s, got %ld %s", body, r.status, r.body);
    reply_free(&r);
}

static void
test_call_passes_method_path_query_field_id_and_body(void **state)
{
    static const char *const fields[] = {"X-Thing: one", "X-Call-Id: my-id.1", "x-thing: two",
                                         NULL};

    expect(http(*state, &(struct request){.method = "POST",
                                          .path = "/function/info/a%20b/%63?q=1+2%263&r",
                                          .fields = fields,
                                          .body = "body",
                                          .len = 4}),
           "POST|/a b/c|1 2&3|q=1+2%263&r|one, two|my-id.1|body");
}

static void
test_call_without_anything_gets_the_defaults(void **state)
{
    struct reply r = get(*state, "/function/info");
    char value[128];

    assert_int_equal(r.status, 200);
    assert_int_equal(strncmp(r.body, "GET|/|(none)|(none)|(none)|", 27), 0);
    assert_string_equal(reply_field(&r, "Content-Type", value, sizeof value),
                        "text/plain; charset=utf-8");
    assert_non_null(reply_field(&r, "X-Call-Id", value, sizeof value));
    assert_non_null(reply_field(&r, "Content-Length", value, sizeof value));
    assert_non_null(reply_field(&r, "Server-Timing", value, sizeof value));
    assert_non_null(strstr(value, "queue;dur="));
    assert_non_null(strstr(value, "run;dur="));
    reply_free(&r);
}

static void
test_call_with_every_method_reaches_the_function(void **state)
{
    static const char *const methods[] = {"GET", "PUT", "POST", "DELETE", "PATCH", "OPTIONS"};

    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        struct reply r =
            http(*state, &(struct request){.method = methods[i], .path = "/function/info"});

        assert_int_equal(r.status, 200);
        assert_int_equal(strncmp(r.body, methods[i], strlen(methods[i])), 0);
        reply_free(&r);
    }
}

static void
test_head_gets_the_fields_and_no_body(void **state)
{
    struct reply r = http(*state, &(struct request){.method = "HEAD", .path = "/function/info"});
    char value[32];

    assert_int_equal(r.status, 200);
    assert_int_equal(r.len, 0);
    assert_true(strtol(reply_field(&r, "Content-Length", value, sizeof value), NULL, 10) > 0);
    reply_free(&r);
}

static void
expect_echo(void **state, const char *path, size_t n, bool chunked)
{
    unsigned char *bytes = malloc(n + 1);
    struct reply r;

    fill_random(bytes, n);
    r = http(*state,
             &(struct request){
                 .method = "POST", .path = path, .body = bytes, .len = n, .chunked = chunked});
    if (r.status != 200 || r.len != n || memcmp(r.body, bytes, n) != 0)
        fail_msg("%s of %zu bytes: %ld, %zu bytes, curl %d", path, n, r.status, r.len, r.error);
    reply_free(&r);
    free(bytes);
}

static void
test_bodies_of_every_size_come_back_whole(void **state)
{
    static const size_t sizes[] = {1,     1000,   16384,  65535,   65536,
                                   65537, 131072, 262143, 1000000, 5 << 20};

    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        for (int chunked = 0; chunked < 2; chunked++) {
            expect_echo(state, "/function/echo", sizes[i], chunked);
            expect_echo(state, "/function/stream", sizes[i], chunked);
        }
}

static void
test_a_stream_larger_than_the_memory_limit_passes(void **state)
{
    expect_echo(state, "/function/stream", 48 << 20, false);
}

static void
test_a_body_over_max_body_is_refused(void **state)
{
    size_t n = (8 << 20) + 1;
    char *bytes = calloc(1, n);

    for (int chunked = 0; chunked < 2; chunked++) {
        struct reply r = http(*state, &(struct request){.method = "POST",
                                                        .path = "/function/echo",
                                                        .body = bytes,
                                                        .len = n,
                                                        .chunked = chunked});

        assert_int_equal(r.status, 413);
        assert_string_equal(reply_text(&r, "code"), "body_too_large");
        assert_int_equal(reply_number(&r, "limit"), 8 << 20);
        reply_free(&r);
    }
    free(bytes);
    expect(post(*state, "/function/echo", "still there", 11), "still there");
}

static void
test_a_body_that_does_not_fit_the_memory_gives_null_with_enomem(void **state)
{
    size_t n = 24 << 20;
    char *bytes = calloc(1, n);
    struct reply r;

    deploy_ok(
        *state, "gather", "memory=16M&max_body=64M",
        "#include <hearth.h>\n#include <errno.h>\n#include <string.h>\n"
        "int hearth_handle(hearth_call *c) { size_t n; if (hearth_body(c, &n) != NULL) return 1;"
        " return hearth_printf(c, \"%s\", strerror(errno)); }\n");
    r = post(*state, "/function/gather", bytes, n);
    assert_int_equal(r.status, 200);
    assert_string_equal(r.body, "Cannot allocate memory");
    reply_free(&r);
    free(bytes);
}

static void
test_a_function_that_ignores_its_body_does_not_hold_up_the_next_call(void **state)
{
    size_t n = 4 << 20;
    char *bytes = calloc(1, n);

    deploy_ok(*state, "ignore", "max=1&max_body=8M",
              "#include <hearth.h>\nint hearth_handle(hearth_call *c) "
              "{ return hearth_printf(c, \"ignored\"); }\n");
    for (int i = 0; i < 5; i++) {
        struct reply r = post(*state, "/function/ignore", bytes, n);

        assert_int_equal(r.status, 200);
        assert_string_equal(r.body, "ignored");
        reply_free(&r);
    }
    free(bytes);
}

static void
test_pipelined_requests_are_answered_in_order(void **state)
{
    char all[8192] = "", *got;
    const char *at;
    int fd = raw_connect(*state);

    for (int i = 0; i < 20; i++)
        (void)sprintf(all + strlen(all),
                      "POST /function/echo HTTP/1.1\r\nHost: x\r\n%sContent-Length: 3\r\n\r\n%03d",
                      i == 19 ? "Connection: close\r\n" : "", i);
    raw_send(fd, all, strlen(all));
    got = raw_receive(fd, NULL);
    at = got;
    for (int i = 0; i < 20; i++) {
        char wanted[16];

        (void)sprintf(wanted, "\r\n\r\n%03d", i);
        at = strstr(at, wanted);
        if (at == NULL)
            fail_msg("no answer %d in order in: %s", i, got);
    }
    free(got);
    (void)close(fd);
}

static void
test_a_request_that_comes_byte_by_byte_is_served(void **state)
{
    static const char text[] = "POST /function/echo?x=1 HTTP/1.1\r\nHost: x\r\nX-Thing: v\r\n"
                               "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
                               "3\r\nabc\r\n2\r\nde\r\n0\r\nTrailer: t\r\n\r\n";
    int fd = raw_connect(*state);
    char *got;

    for (size_t i = 0; i < sizeof text - 1; i++)
        raw_send(fd, text + i, 1);
    got = raw_receive(fd, NULL);
    assert_non_null(strstr(got, "HTTP/1.1 200 OK"));
    assert_non_null(strstr(got, "\r\n\r\nabcde"));
    free(got);
    (void)close(fd);
}

static void
test_expect_100_continue_is_answered_before_the_body(void **state)
{
    static const char head[] = "POST /function/echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
                               "Content-Length: 2\r\nConnection: close\r\n\r\n";
    int fd = raw_connect(*state);
    char *got;

    raw_send(fd, head, sizeof head - 1);
    got = raw_receive(fd, "100 Continue\r\n\r\n");
    assert_non_null(strstr(got, "100 Continue\r\n\r\n"));
    free(got);
    raw_send(fd, "ok", 2);
    got = raw_receive(fd, NULL);
    assert_non_null(strstr(got, "\r\n\r\nok"));
    free(got);
    (void)close(fd);
}

static void
expect_raw(void **state, const char *request, const char *status, const char *code)
{
    int fd = raw_connect(*state);
    char *got;

    raw_send(fd, request, strlen(request));
    got = raw_receive(fd, NULL);
    if (strstr(got, status) == NULL || strstr(got, code) == NULL)
        fail_msg("want %s %s, got: %s", status, code, got);
    free(got);
    (void)close(fd);
}

static void
test_malformed_requests_are_refused_and_the_connection_closes(void **state)
{
    expect_raw(state, "GARBAGE\r\n\r\n", "400 Bad Request", "bad_request");
    expect_raw(state, "GET /function/info HTTP/1.1\r\n\r\n", "400 Bad Request", "bad_request");
    expect_raw(state, "GET /function/info HTTP/1.1\r\nHost: x\r\nBad Field: x\r\n\r\n",
               "400 Bad Request", "bad_request");
    expect_raw(state,
               "POST /function/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n"
               "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
               "400 Bad Request", "bad_request");
    expect_raw(
        state,
        "POST /function/echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "400 Bad Request", "bad_request");
}

static void
test_too_large_heads_are_refused(void **state)
{
    char *request = calloc(1, 70000);
    size_t at;

    at = (size_t)sprintf(request, "GET /function/info HTTP/1.1\r\nHost: x\r\nX-Big: ");
    memset(request + at, 'a', 40000);
    (void)strcpy(request + at + 40000, "\r\n\r\n");
    expect_raw(state, request, "431 ", "headers_too_large");
    at = (size_t)sprintf(request, "GET /function/info HTTP/1.1\r\nHost: x\r\n");
    for (int i = 0; i < 100; i++)
        at += (size_t)sprintf(request + at, "X-%d: y\r\n", i);
    (void)strcpy(request + at, "\r\n");
    expect_raw(state, request, "431 ", "headers_too_large");
    free(request);
    expect(post(*state, "/function/echo", "ok", 2), "ok");
}

static void
test_a_head_of_almost_32_kib_reaches_the_function(void **state)
{
    static char field[30000] = "X-Thing: ";
    const char *fields[] = {field, NULL};
    struct reply r;

    memset(field + 9, 'b', sizeof field - 10);
    r = http(*state, &(struct request){.path = "/function/info", .fields = fields});
    assert_int_equal(r.status, 200);
    assert_non_null(strstr(r.body, "bbbbbbbb"));
    assert_true(r.len > 29000);
    reply_free(&r);
}

static void
test_http_1_0_is_closed_after_the_answer(void **state)
{
    int fd = raw_connect(*state);
    char *got;

    raw_send(fd, "GET /function/info HTTP/1.0\r\n\r\n", 31);
    got = raw_receive(fd, NULL);
    assert_non_null(strstr(got, "200 OK"));
    assert_non_null(strstr(got, "Connection: close"));
    free(got);
    (void)close(fd);
}

static void
test_status_and_fields_of_the_response_are_the_functions_own(void **state)
{
    struct reply r;
    char value[64];

    deploy_ok(*state, "fields", "",
              "#include <hearth.h>\n#include <errno.h>\n"
              "int hearth_handle(hearth_call *c) {\n"
              "  if (hearth_status(c, 99) != -1 || errno != EINVAL) return 1;\n"
              "  if (hearth_set_header(c, \"Bad Name\", \"x\") != -1) return 2;\n"
              "  if (hearth_set_header(c, \"X-Inject\", \"a\\r\\nEvil: 1\") != -1) return 3;\n"
              "  if (hearth_set_header(c, \"Connection\", \"close\") != -1) return 4;\n"
              "  if (hearth_status(c, 418) || hearth_set_header(c, \"Content-Type\", \"text/x\")) "
              "return 5;\n"
              "  if (hearth_set_header(c, \"X-One\", \"1\") || hearth_set_header(c, \"X-One\", "
              "\"2\")) return 6;\n"
              "  if (hearth_write(c, \"tea\", 3)) return 7;\n"
              "  if (hearth_status(c, 200) != -1 || errno != EINVAL) return 8;\n"
              "  return 0; }\n");
    r = get(*state, "/function/fields");
    if (r.status != 418)
        fail_msg("%ld %s", r.status, r.body);
    assert_string_equal(r.body, "tea");
    assert_string_equal(reply_field(&r, "Content-Type", value, sizeof value), "text/x");
    assert_string_equal(reply_field(&r, "X-One", value, sizeof value), "1");
    assert_string_equal(reply_field(&r, "Content-Length", value, sizeof value), "3");
    assert_null(strstr(r.fields, "Evil"));
    reply_free(&r);
}

static void
test_a_date_of_the_functions_own_is_the_only_one(void **state)
{
    struct reply r;
    const char *date;

    deploy_ok(*state, "dated", "",
              "#include <hearth.h>\nint hearth_handle(hearth_call *c) {\n"
              "  return hearth_set_header(c, \"date\", \"its own\") ||\n"
              "         hearth_set_header(c, \"Date\", \"another\") != -1; }\n");
    r = get(*state, "/function/dated");
    assert_int_equal(r.status, 200);
    date = strcasestr(r.fields, "\ndate: its own");
    assert_non_null(date);
    assert_null(strcasestr(r.fields, "\nDate: another"));
    assert_null(strcasestr(date + 1, "\ndate:"));
    reply_free(&r);
}

static void
test_an_empty_response_and_204_are_whole(void **state)
{
    struct reply r;
    char value[32];

    deploy_ok(*state, "nothing", "",
              "#include <hearth.h>\nint hearth_handle(hearth_call *c) "
              "{ return hearth_query(c, \"none\") ? hearth_status(c, 204) : 0; }\n");
    r = get(*state, "/function/nothing");
    assert_int_equal(r.status, 200);
    assert_string_equal(reply_field(&r, "Content-Length", value, sizeof value), "0");
    reply_free(&r);
    r = get(*state, "/function/nothing?none");
    assert_int_equal(r.status, 204);
    assert_null(reply_field(&r, "Content-Length", value, sizeof value));
    reply_free(&r);
}

static void
test_a_declared_content_length_is_streamed_as_such(void **state)
{
    struct reply r;
    char value[32];

    deploy_ok(*state, "sized", "",
              "#include <hearth.h>\nstatic char b[200000];\n"
              "int hearth_handle(hearth_call *c) { return hearth_set_header(c, \"Content-Length\", "
              "\"200000\") || hearth_write(c, b, sizeof b) || hearth_write(c, b, 1) != -1; }\n");
    r = get(*state, "/function/sized");
    assert_int_equal(r.status, 200);
    assert_int_equal(r.len, 200000);
    assert_string_equal(reply_field(&r, "Content-Length", value, sizeof value), "200000");
    assert_null(reply_field(&r, "Transfer-Encoding", value, sizeof value));
    reply_free(&r);
}

static void
test_the_rest_of_hearth_h_answers(void **state)
{
    struct reply r;

    deploy_ok(*state, "rest", "memory=32M&timeout=2s&env=%7B%22KEY%22%3A%22value%22%7D",
              "#include <hearth.h>\n#include <string.h>\n#include <stdio.h>\nstatic int inits;\n"
              "int hearth_init(void) { inits++; return hearth_log(NULL, HEARTH_INFO, \"init\"); }\n"
              "int hearth_handle(hearth_call *c) {\n"
              "  char *a = hearth_alloc(c, 100000), *b = hearth_alloc(c, 1);\n"
              "  int64_t left = hearth_deadline_ms(c);\n"
              "  if (!a || !b || (uintptr_t)a % 16 || (uintptr_t)b % 16) return 1;\n"
              "  memset(a, 1, 100000);\n"
              "  if (left < 1 || left > 2000) return 2;\n"
              "  if (hearth_memory_limit() != 32 << 20) return 3;\n"
              "  if (hearth_memory_used() < 100000 || hearth_memory_used() > 32 << 20) return 4;\n"
              "  if (strcmp(hearth_env(\"KEY\"), \"value\") || hearth_env(\"NONE\")) return 5;\n"
              "  if (hearth_log(c, HEARTH_WARNING, \"a line %d\\nwith a break\", 7)) return 6;\n"
              "  printf(\"printed\\n\"); fprintf(stderr, \"to stderr\\n\");\n"
              "  return hearth_printf(c, \"%d\", inits); }\n");
    expect(get(*state, "/function/rest"), "1");
    expect(get(*state, "/function/rest"), "1");
    r = get(*state, "/v1/functions/rest/logs");
    assert_int_equal(r.status, 200);
    assert_non_null(strstr(r.body, "\"a line 7 with a break\""));
    assert_non_null(strstr(r.body, "\"warning\""));
    assert_non_null(strstr(r.body, "\"printed\""));
    assert_non_null(strstr(r.body, "\"to stderr\""));
    assert_non_null(strstr(r.body, "\"init\""));
    reply_free(&r);
}

static void
test_a_slow_client_holds_up_nobody_else(void **state)
{
    int small = 4096, fd = raw_connect(*state);

    deploy_ok(
        *state, "flow", "max=2&timeout=60s",
        "#include <hearth.h>\nstatic char b[1 << 20];\n"
        "int hearth_handle(hearth_call *c) { if (hearth_query(c, \"long\")) for (int i = 0; i < "
        "64; "
        "i++) if (hearth_write(c, b, sizeof b)) return 1; return hearth_printf(c, \"done\"); }\n");
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    raw_send(fd, "GET /function/flow?long HTTP/1.1\r\nHost: x\r\n\r\n", 45);
    for (int i = 0; i < 20; i++)
        expect(get(*state, "/function/flow"), "done");
    (void)close(fd);
}

static void
test_a_writer_whose_client_left_gets_epipe_and_the_instance_serves_on(void **state)
{
    int fd = raw_connect(*state);

    deploy_ok(
        *state, "gone-client", "max=1&timeout=60s",
        "#include <hearth.h>\n#include <errno.h>\nstatic char b[1 << 16]; static int epipe;\n"
        "int hearth_handle(hearth_call *c) { if (!hearth_query(c, \"long\")) return "
        "hearth_printf(c, \"%d\", epipe); for (;;) if (hearth_write(c, b, sizeof b)) { epipe = "
        "errno == EPIPE; return 0; } }\n");
    raw_send(fd, "GET /function/gone-client?long HTTP/1.1\r\nHost: x\r\n\r\n", 52);
    free(raw_receive(fd, "200 OK"));
    (void)close(fd);
    expect(get(*state, "/function/gone-client"), "1");
}

static void
test_a_queue_that_is_full_says_overloaded(void **state)
{
    struct reply r;
    char value[16];
    int fds[3];

    deploy_ok(*state, "busy", "max=1&queue=2&timeout=10s",
              "#include <hearth.h>\n#include <time.h>\nint hearth_handle(hearth_call *c) {\n"
              "  struct timespec t = {1, 0}; if (!hearth_query(c, \"quick\")) nanosleep(&t, 0);\n"
              "  return hearth_printf(c, \"done\"); }\n");
    expect(get(*state, "/function/busy?quick"), "done");
    for (int i = 0; i < 3; i++) {
        fds[i] = raw_connect(*state);
        raw_send(fds[i], "GET /function/busy HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 61);
        if (i == 0)
            wait_for_figure(*state, "busy", "instances", "busy", 1);
    }
    wait_for_figure(*state, "busy", NULL, "waiting", 2);
    r = get(*state, "/function/busy");
    assert_int_equal(r.status, 503);
    assert_string_equal(reply_text(&r, "code"), "overloaded");
    assert_int_equal(reply_number(&r, "queue"), 2);
    assert_int_equal(reply_number(&r, "instances"), 1);
    assert_non_null(reply_field(&r, "Retry-After", value, sizeof value));
    reply_free(&r);
    for (int i = 0; i < 3; i++) {
        char *got = raw_receive(fds[i], NULL);

        assert_non_null(strstr(got, "done"));
        free(got);
        (void)close(fds[i]);
    }
}

static void
test_a_wait_over_queue_timeout_says_overloaded(void **state)
{
    struct reply r;
    int fd;

    deploy_ok(*state, "late", "min=1&max=1&queue_timeout=50ms&timeout=10s",
              "#include <hearth.h>\n#include <time.h>\nint hearth_handle(hearth_call *c) {\n"
              "  struct timespec t = {3, 0}; if (!hearth_query(c, \"quick\")) nanosleep(&t, 0);\n"
              "  return hearth_printf(c, \"done\"); }\n");
    wait_for_figure(*state, "late", "instances", "idle", 1);
    fd = raw_connect(*state);
    raw_send(fd, "GET /function/late HTTP/1.1\r\nHost: x\r\n\r\n", 42);
    wait_for_figure(*state, "late", "instances", "busy", 1);
    r = get(*state, "/function/late?quick");
    assert_int_equal(r.status, 503);
    assert_string_equal(reply_text(&r, "code"), "overloaded");
    reply_free(&r);
    (void)close(fd);
}

/* The files and system calls that glibc uses for these functions must not end the instance. */
static void
test_a_function_may_sort_tell_the_time_and_print_numbers(void **state)
{
    deploy_ok(
        *state, "libc", "libs=m",
        "#include <hearth.h>\n#include <math.h>\n#include <stdio.h>\n#include <stdlib.h>\n"
        "#include <string.h>\n#include <time.h>\n"
        "static int up(const void *a, const void *b) { return *(const int *)a - *(const int *)b; "
        "}\n"
        "int hearth_handle(hearth_call *c) { static int v[5000]; char t[64]; time_t at = 86399;\n"
        "  struct tm tm; for (int i = 0; i < 5000; i++) v[i] = rand() % 1000;\n"
        "  qsort(v, 5000, sizeof *v, up); for (int i = 1; i < 5000; i++) if (v[i - 1] > v[i]) "
        "return 1;\n"
        "  localtime_r(&at, &tm); strftime(t, sizeof t, \"%H:%M:%S %Z\", &tm); (void)time(NULL);\n"
        "  char *big = malloc(3 << 20); memset(big, 1, 3 << 20); free(big); (void)clock();\n"
        "  return hearth_printf(c, \"%s %.2f %s\", t, pow(2, 0.5), strerror(2)); }\n");
    expect(get(*state, "/function/libc"), "23:59:59 UTC 1.41 No such file or directory");
    expect(get(*state, "/function/libc"), "23:59:59 UTC 1.41 No such file or directory");
}

/* ---- misbehaving clients ---- */

static void
test_clients_that_reset_leave_the_gateway_as_it_was(void **state)
{
    struct daemon *d = *state;
    pid_t before = find_process(d->pid, "hearth-gateway");
    struct linger reset = {.l_onoff = 1};

    for (int i = 0; i < 300; i++) {
        int fd = raw_connect(d);

        (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        raw_send(fd, "POST /function/nope HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n", 62);
        (void)close(fd);
    }
    expect(post(d, "/function/echo", "ok", 2), "ok");
    assert_int_equal(find_process(d->pid, "hearth-gateway"), before);
}

/* Sends without reading until the peer accepts no more. Returns the number of bytes accepted. */
static size_t
push(int fd, const char *text, size_t most)
{
    size_t sent = 0;
    int idle = 0;

    while (sent < most && idle < 100) {
        ssize_t n = send(fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL);

        if (n > 0) {
            sent += (size_t)n;
            idle = 0;
        } else {
            idle++;
            (void)poll(NULL, 0, 2);
        }
    }
    return sent;
}

static void
test_a_client_that_reads_no_answers_is_read_no_further(void **state)
{
    char value[64];
    struct daemon *d = *state;
    int fd = raw_connect(d);

    assert_true(push(fd, "GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n", 64 << 20) < 32 << 20);
    assert_true(
        strtol(proc_status(find_process(d->pid, "hearth-gateway"), "VmRSS", value, sizeof value),
               NULL, 10) < 64 * 1024);
    (void)close(fd);
    expect(post(d, "/function/echo", "ok", 2), "ok");
}

static void
test_a_response_shorter_than_declared_is_told_as_cut(void **state)
{
    struct reply r;

    deploy_ok(
        *state, "short", "",
        "#include <hearth.h>\nint hearth_handle(hearth_call *c) { return "
        "hearth_set_header(c, \"Content-Length\", \"100\") || hearth_printf(c, \"half\"); }\n");
    r = get(*state, "/function/short");
    assert_int_equal(r.status, 200);
    assert_int_not_equal(r.error, 0);
    reply_free(&r);
}

static void
test_304_may_name_the_length_that_it_does_not_send(void **state)
{
    struct reply r;

    deploy_ok(*state, "cached", "",
              "#include <hearth.h>\nint hearth_handle(hearth_call *c) { return "
              "hearth_status(c, 304) || hearth_set_header(c, \"Content-Length\", \"100\"); }\n");
    r = get(*state, "/function/cached");
    assert_int_equal(r.status, 304);
    assert_int_equal(r.error, 0);
    reply_free(&r);
}

static void
test_an_upload_that_breaks_is_no_whole_body_to_the_function(void **state)
{
    static const char head[] = "POST /function/upload HTTP/1.1\r\nHost: x\r\n"
                               "Transfer-Encoding: chunked\r\n\r\n";
    static char chunk[1010] = "3e8\r\n";
    struct reply r;
    int fd = raw_connect(*state);

    deploy_ok(*state, "upload", "max=1&max_body=1M&stream=true",
              "#include <hearth.h>\n#include <time.h>\nstatic long last = 99;\n"
              "int hearth_handle(hearth_call *c) { char b[500]; long n; struct timespec t = {0, "
              "1000000};\n"
              "  if (hearth_query(c, \"last\")) return hearth_printf(c, \"%ld\", last);\n"
              "  while ((n = hearth_read(c, b, sizeof b)) > 0) nanosleep(&t, 0);\n"
              "  last = n; return 0; }\n");
    memset(chunk + 5, 'x', 1000);
    memcpy(chunk + 1005, "\r\n", 2);
    raw_send(fd, head, sizeof head - 1);
    for (int i = 0; i < 300; i++)
        raw_send(fd, chunk, 1007);
    raw_send(fd, "nonsense\r\n", 10);
    free(raw_receive(fd, NULL));
    (void)close(fd);
    r = get(*state, "/function/upload?last"); /* waits for the same instance */
    assert_string_equal(r.body, "-1");
    reply_free(&r);
}

/* A request is refused after the next request in the same packet has been read. The next one must
 * get its own body. */
static void
test_bodies_behind_refused_requests_are_not_mixed_up(void **state)
{
    enum { N = 24 };
    int fds[N], blocker = raw_connect(*state);

    deploy_ok(
        *state, "full", "min=1&max=1&queue=100&queue_timeout=100ms&timeout=10s",
        "#include <hearth.h>\n#include <time.h>\nint hearth_handle(hearth_call *c) {\n"
        "  struct timespec t = {5, 0}; nanosleep(&t, 0); return hearth_printf(c, \"done\"); }\n");
    wait_for_figure(*state, "full", "instances", "idle", 1); /* a start may take 100 ms */
    raw_send(blocker, "GET /function/full HTTP/1.1\r\nHost: x\r\n\r\n", 42);
    wait_for_figure(*state, "full", "instances", "busy", 1);
    for (int i = 0; i < N; i++) {
        char all[4096];
        int n = sprintf(all, "GET /function/full HTTP/1.1\r\nHost: x\r\n\r\n"
                             "POST /function/echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                             "Content-Length: 2000\r\n\r\n");

        memset(all + n, 'A' + i, 2000);
        fds[i] = raw_connect(*state);
        raw_send(fds[i], all, (size_t)n + 2000);
    }
    for (int i = 0; i < N; i++) {
        char *got = raw_receive(fds[i], NULL), *last = strstr(got, "200 OK"), *body;

        assert_non_null(strstr(got, "overloaded"));
        assert_non_null(last);
        body = strstr(last, "\r\n\r\n") + 4;
        assert_int_equal(strlen(body), 2000);
        assert_int_equal(strspn(body, (char[]){(char)('A' + i), '\0'}), 2000);
        free(got);
        (void)close(fds[i]);
    }
    (void)close(blocker);
}

static void
test_a_slow_call_holds_up_no_fast_one(void **state)
{
    int slow = raw_connect(*state);

    deploy_ok(*state, "mixed", "max=4&timeout=10s",
              "#include <hearth.h>\n#include <time.h>\nint hearth_handle(hearth_call *c) {\n"
              "  struct timespec t = {3, 0}; if (hearth_query(c, \"slow\")) nanosleep(&t, 0);\n"
              "  return hearth_printf(c, \"%d\", hearth_query(c, \"slow\") != NULL); }\n");
    for (int i = 0; i < 50; i++)
        expect(get(*state, "/function/mixed"), "0");
    raw_send(slow, "GET /function/mixed?slow HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 69);
    for (int i = 0; i < 100; i++)
        expect(get(*state, "/function/mixed"), "0");
    /* all of them were answered while the slow call was still running */
    assert_int_equal(recv(slow, (char[1]){0}, 1, MSG_DONTWAIT | MSG_PEEK), -1);
    (void)close(slow);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_function_may_sort_tell_the_time_and_print_numbers),
        cmocka_unit_test(test_clients_that_reset_leave_the_gateway_as_it_was),
        cmocka_unit_test(test_a_client_that_reads_no_answers_is_read_no_further),
        cmocka_unit_test(test_a_response_shorter_than_declared_is_told_as_cut),
        cmocka_unit_test(test_304_may_name_the_length_that_it_does_not_send),
        cmocka_unit_test(test_an_upload_that_breaks_is_no_whole_body_to_the_function),
        cmocka_unit_test(test_bodies_behind_refused_requests_are_not_mixed_up),
        cmocka_unit_test(test_a_slow_call_holds_up_no_fast_one),
        cmocka_unit_test(test_call_passes_method_path_query_field_id_and_body),
        cmocka_unit_test(test_call_without_anything_gets_the_defaults),
        cmocka_unit_test(test_call_with_every_method_reaches_the_function),
        cmocka_unit_test(test_head_gets_the_fields_and_no_body),
        cmocka_unit_test(test_bodies_of_every_size_come_back_whole),
        cmocka_unit_test(test_a_stream_larger_than_the_memory_limit_passes),
        cmocka_unit_test(test_a_body_over_max_body_is_refused),
        cmocka_unit_test(test_a_body_that_does_not_fit_the_memory_gives_null_with_enomem),
        cmocka_unit_test(test_a_function_that_ignores_its_body_does_not_hold_up_the_next_call),
        cmocka_unit_test(test_pipelined_requests_are_answered_in_order),
        cmocka_unit_test(test_a_request_that_comes_byte_by_byte_is_served),
        cmocka_unit_test(test_expect_100_continue_is_answered_before_the_body),
        cmocka_unit_test(test_malformed_requests_are_refused_and_the_connection_closes),
        cmocka_unit_test(test_too_large_heads_are_refused),
        cmocka_unit_test(test_a_head_of_almost_32_kib_reaches_the_function),
        cmocka_unit_test(test_http_1_0_is_closed_after_the_answer),
        cmocka_unit_test(test_status_and_fields_of_the_response_are_the_functions_own),
        cmocka_unit_test(test_a_date_of_the_functions_own_is_the_only_one),
        cmocka_unit_test(test_an_empty_response_and_204_are_whole),
        cmocka_unit_test(test_a_declared_content_length_is_streamed_as_such),
        cmocka_unit_test(test_the_rest_of_hearth_h_answers),
        cmocka_unit_test(test_a_slow_client_holds_up_nobody_else),
        cmocka_unit_test(test_a_writer_whose_client_left_gets_epipe_and_the_instance_serves_on),
        cmocka_unit_test(test_a_queue_that_is_full_says_overloaded),
        cmocka_unit_test(test_a_wait_over_queue_timeout_says_overloaded),
    };

    return RUN_TESTS("call", tests, start, group_stop);
}
