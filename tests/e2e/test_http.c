/* test_http.c: HTTP/1.1 to the letter: the bytes that a client sends, and the bytes that it gets.
 * The numbers are sections of RFC 9110 and 9112. */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "harness.h"
#include "http_rows.h"
#include "run.h"

/* Responds with the method, a field in brackets, and the body. Other names in the query change the
 * response. */
static const char teller[] =
    "#include <hearth.h>\n"
    "int hearth_handle(hearth_call *c) {\n"
    "  const char *f = hearth_header(c, \"x-a\"), *status = hearth_query(c, \"status\");\n"
    "  size_t n = 0; const char *b = hearth_body(c, &n); if (b == NULL) return 1;\n"
    "  if (status != NULL) return hearth_status(c, (status[0] - '0') * 100 + (status[1] - '0') * "
    "10 + status[2] - '0');\n"
    "  if (hearth_query(c, \"early\")) return hearth_printf(c, \"early\");\n"
    "  return hearth_printf(c, \"%s [%s] %.*s.\", hearth_method(c), f ? f : \"-\", (int)n, b); }\n";

static int
start(void **state)
{
    int status = group_start(state);

    deploy_ok(*state, "tell", "memory=16M&min=1", teller);
    deploy_ok(*state, "early", "memory=16M&max_body=32M&stream=true",
              "#include <hearth.h>\nint hearth_handle(hearth_call *c) { return hearth_printf(c, "
              "\"early\"); }\n");
    return status;
}

#define HOST "Host: localhost\r\n"

/* %T is replaced by the token's field. */
static const struct row {
    const char *what, *request;
    const char *holds, *lacks; /* expected and forbidden text of the response; NULL: none */
    enum after after;
} rows[] = {
    {"any token is a method (9110, 9.1)", "QUERY /function/tell HTTP/1.1\r\n" HOST "\r\n",
     "QUERY [-] .", NULL, STAYS},
    {"methods are case-sensitive", "get /function/tell HTTP/1.1\r\n" HOST "\r\n", "get [-] .", NULL,
     STAYS},
    {"a method of odd letters", "M-SEARCH!#$%&'*+.^_`|~ /function/tell HTTP/1.1\r\n" HOST "\r\n",
     "M-SEARCH!#$%&'*+.^_`|~ [-]", NULL, STAYS},
    {"a method with a body",
     "QUERY /function/tell HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc", "QUERY [-] abc.",
     NULL, STAYS},
    {"a method that is no token", "GE(T /function/tell HTTP/1.1\r\n" HOST "\r\n", " 400 ", NULL,
     CLOSES},
    {"a method that is too long",
     "ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFGHIJKLMNOPQRSTUVWXYZ "
     "/function/tell HTTP/1.1\r\n" HOST "\r\n",
     " 400 ", "[-]", CLOSES},
    {"no method", " /function/tell HTTP/1.1\r\n" HOST "\r\n", " 400 ", NULL, CLOSES},
    {"HTTP/2's preface is refused", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", " 400 ", NULL, CLOSES},
    {"an empty line before a request (9112, 2.2)",
     "\r\n\r\nGET /function/tell HTTP/1.1\r\n" HOST "\r\n", "GET [-] .", NULL, STAYS},
    {"a method that /v1 does not know is 405 with Allow (9110, 15.5.6)",
     "BREW /v1/functions HTTP/1.1\r\n" HOST "%T\r\n", "\r\nAllow: GET, HEAD\r\n", NULL, STAYS},
    {"Allow lists all", "POST /v1/functions/tell HTTP/1.1\r\n" HOST "%T\r\n",
     "\r\nAllow: GET, HEAD, PUT, PATCH, DELETE\r\n", NULL, STAYS},
    {"white space after a value (9110, 5.5)",
     "GET /function/tell HTTP/1.1\r\n" HOST "X-A: b \t \r\n\r\n", "[b]", NULL, STAYS},
    {"white space before a value", "GET /function/tell HTTP/1.1\r\n" HOST "X-A: \t  b\r\n\r\n",
     "[b]", NULL, STAYS},
    {"white space within a value is kept",
     "GET /function/tell HTTP/1.1\r\n" HOST "X-A:  a \t b \r\n\r\n", "[a \t b]", NULL, STAYS},
    {"a value of only white space", "GET /function/tell HTTP/1.1\r\n" HOST "X-A:   \r\n\r\n", "[]",
     NULL, STAYS},
    {"a call id followed by white space",
     "GET /function/tell HTTP/1.1\r\n" HOST "X-Call-Id: mine \r\n\r\n", "\r\nX-Call-Id: mine\r\n",
     NULL, STAYS},
    {"a Host followed by white space", "GET /v1/functions HTTP/1.1\r\nHost: localhost \r\n%T\r\n",
     " 200 OK", NULL, STAYS},
    {"a token followed by white space", "GET /v1/functions HTTP/1.1\r\n" HOST "%t \t\r\n\r\n",
     " 200 OK", NULL, STAYS},
    {"a health check by OPTIONS over HTTP/1.0", "OPTIONS / HTTP/1.0\r\n\r\n", " 204 ", NULL,
     CLOSES},
    {"OPTIONS of the server (9110, 9.3.7)", "OPTIONS * HTTP/1.1\r\n" HOST "\r\n",
     "\r\nAllow: GET, HEAD, OPTIONS\r\n", NULL, STAYS},
    {"HEAD of the root", "HEAD / HTTP/1.1\r\n" HOST "\r\n", " 200 OK", "<title>Hearth", STAYS},
    {"GET of the root", "GET / HTTP/1.1\r\n" HOST "\r\n", "<title>Hearth", NULL, STAYS},
    {"304 without an unknown length (9110, 8.6)",
     "GET /function/tell?status=304 HTTP/1.1\r\n" HOST "\r\n", " 304 ", "Content-Length", STAYS},
    {"HEAD of an empty response without a length",
     "HEAD /function/tell?status=200 HTTP/1.1\r\n" HOST "\r\n", " 200 ", "Content-Length", STAYS},
    {"413 to a client that waits for 100 Continue (9110, 10.1.1)",
     "POST /function/tell HTTP/1.1\r\n" HOST "Content-Length: 9000000\r\nExpect: "
     "100-continue\r\n\r\n",
     "\r\nConnection: close\r\n", "100 Continue", CLOSES},
    {"404 to such a client",
     "POST /function/none HTTP/1.1\r\n" HOST "Content-Length: 9\r\nExpect: 100-continue\r\n\r\n",
     "\r\nConnection: close\r\n", "100 Continue", CLOSES},
    {"401 to such a client",
     "PUT /v1/functions/x HTTP/1.1\r\n" HOST "Content-Length: 9\r\nExpect: 100-continue\r\n\r\n",
     "\r\nConnection: close\r\n", "100 Continue", CLOSES},
    {"an early answer to more than will be read",
     "POST /function/early HTTP/1.1\r\n" HOST "Content-Length: 20000000\r\n\r\n",
     "\r\nConnection: close\r\n", NULL, CLOSES},
    {"413 to more than will be read",
     "POST /function/tell HTTP/1.1\r\n" HOST "Content-Length: 20000000\r\n\r\n",
     "\r\nConnection: close\r\n", NULL, CLOSES},
    {"413 to what will be read",
     "POST /function/tell HTTP/1.1\r\n" HOST "Content-Length: 2000000\r\n\r\n", "body_too_large",
     "Connection: close", STAYS},
};

/* The request with %T replaced. */
static char *
with_token(const struct daemon *d, const char *request)
{
    char *text = malloc(strlen(request) + 256);
    const char *mark = strchr(request, '%');

    if (mark != NULL && (mark[1] == 'T' || mark[1] == 't'))
        (void)sprintf(text, "%.*sAuthorization: Bearer %s%s%s", (int)(mark - request), request,
                      d->token, mark[1] == 'T' ? "\r\n" : "", mark + 2);
    else
        (void)strcpy(text, request);
    return text;
}

/* Reads the response: the head if the connection stays open, everything otherwise. */
static void
try_row(const struct daemon *d, const struct row *row, bool byte_by_byte)
{
    char *request = with_token(d, row->request), *got;
    int fd = raw_connect(d);

    for (size_t i = 0, n = strlen(request); byte_by_byte && i < n; i++)
        raw_send(fd, request + i, 1);
    if (!byte_by_byte)
        raw_send(fd, request, strlen(request));
    got = raw_receive(fd, row->after == CLOSES ? NULL : row->holds);
    if (strstr(got, row->holds) == NULL || (row->lacks != NULL && strstr(got, row->lacks) != NULL))
        fail_msg("%s%s: %s", row->what, byte_by_byte ? " (byte by byte)" : "", got);
    if ((strstr(got, "\r\nConnection: close\r\n") != NULL) != (row->after == CLOSES))
        fail_msg("%s: wrong Connection field: %s", row->what, got);
    free(got);
    free(request);
    (void)close(fd);
}

static void
test_each_request_gets_what_the_standards_say(void **state)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        for (int slow = 0; slow < 2; slow++)
            try_row(*state, &rows[i], slow);
}

/* ---- the suite ---- */

#define CANARY "CHECK /function/tell HTTP/1.1\r\n" HOST "X-A: canary\r\n\r\n"

/* The server may have closed already. */
static void
send_bytes(int fd, const char *bytes, size_t n, size_t piece)
{
    for (size_t at = 0; at < n; at += piece)
        if (send(fd, bytes + at, n - at < piece ? n - at : piece, MSG_NOSIGNAL) < 0)
            return;
}

/* The status of the answer that is not 100 Continue. */
static int
status_of(const char *got)
{
    int status = 0;

    while (sscanf(got, "HTTP/1.1 %d ", &status) == 1 && status == 100) {
        got = strstr(got, "\r\n\r\n");
        if (got == NULL)
            return 100;
        got += 4;
    }
    return status;
}

/* Behind each request comes another one, which is answered exactly if the connection stays. */
static void
try_http_row(const struct daemon *d, size_t i, size_t piece)
{
    const struct http_row *row = &http_rows[i];
    char *all, *got;
    int fd = raw_connect(d), on = 1;
    bool stays;

    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    assert_true(asprintf(&all, "%s%s", row->request, CANARY) > 0);
    send_bytes(fd, all, strlen(all), piece);
    got = raw_receive(fd, row->after == STAYS ? "CHECK [canary] ." : NULL);
    stays = strstr(got, "CHECK [canary] .") != NULL;
    if (status_of(got) != row->status || stays != (row->after == STAYS) ||
        (row->holds != NULL && strstr(got, row->holds) == NULL) ||
        (strstr(got, "\r\nConnection: close\r\n") != NULL) != (row->after == CLOSES))
        fail_msg("row %zu (%s)%s: want %d%s%s%s, got %s\nfor %.300s", i, row->section,
                 piece == 1 ? " byte by byte" : "", row->status,
                 row->after == STAYS ? "" : ", closed", row->holds != NULL ? ", " : "",
                 row->holds != NULL ? row->holds : "", got, row->request);
    free(got);
    free(all);
    (void)close(fd);
}

static void
test_the_suite_in_one_packet(void **state)
{
    assert_true(HTTP_ROWS >= 300);
    for (size_t i = 0; i < HTTP_ROWS; i++)
        try_http_row(*state, i, SIZE_MAX);
}

static void
test_the_suite_byte_by_byte(void **state)
{
    for (size_t i = 0; i < HTTP_ROWS; i++)
        try_http_row(*state, i, 1);
}

/* The next request on the connection is parsed as a request, and not as a body. */
static void
test_a_connection_that_stays_serves_the_next_request(void **state)
{
    static const char *const firsts[] = {
        "GET /function/tell?status=304 HTTP/1.1\r\n" HOST "\r\n",
        "HEAD /function/tell?status=200 HTTP/1.1\r\n" HOST "\r\n",
        "GET /nothing HTTP/1.1\r\n" HOST "\r\n",
        "OPTIONS * HTTP/1.1\r\n" HOST "\r\n",
        "POST /function/none HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nGET /",
        "POST /function/none HTTP/1.1\r\n" HOST
        "Transfer-Encoding: chunked\r\n\r\n5\r\nGET /\r\n0\r\n\r\n",
    };

    for (size_t i = 0; i < sizeof firsts / sizeof firsts[0]; i++) {
        static const char next[] = "QUERY /function/tell HTTP/1.1\r\n" HOST "X-A: n\r\n\r\n";
        int fd = raw_connect(*state);
        char *got;

        raw_send(fd, firsts[i], strlen(firsts[i]));
        raw_send(fd, next, sizeof next - 1);
        got = raw_receive(fd, "QUERY [n]");
        if (strstr(got, "QUERY [n] .") == NULL)
            fail_msg("after %s: %s", firsts[i], got);
        free(got);
        (void)close(fd);
    }
}

/* Many chunks of a body, and many requests at once: none is lost between two turns. */
static void
test_a_body_of_many_chunks_and_what_follows_it_arrive(void **state)
{
    enum { CHUNKS = 5000 };
    char *all = malloc(CHUNKS * 8 + 4096), *got;
    size_t n = 0;
    int fd = raw_connect(*state);

    for (int request = 0; request < 3; request++) {
        n = (size_t)sprintf(all,
                            "POST /function/tell HTTP/1.1\r\n" HOST
                            "Transfer-Encoding: chunked\r\nX-A: %d\r\n\r\n",
                            request);
        for (int i = 0; i < CHUNKS; i++)
            n += (size_t)sprintf(all + n, "1\r\n%c\r\n", 'a' + i % 26);
        n += (size_t)sprintf(all + n, "0\r\n\r\n");
        raw_send(fd, all, n);
    }
    n = (size_t)sprintf(all, "GET /function/tell HTTP/1.1\r\n" HOST "X-A: last\r\n\r\n");
    raw_send(fd, all, n);
    got = raw_receive(fd, "[last] .");
    for (int request = 0; request < 3; request++) {
        const char *at;

        (void)sprintf(all, "POST [%d] abcdef", request);
        at = strstr(got, all);
        if (at == NULL || strcspn(at, ".") != strlen("POST [0] ") + CHUNKS)
            fail_msg("request %d of many chunks: %s", request, got);
    }
    free(got);
    free(all);
    (void)close(fd);
}

/* The last chunk may end a turn, with no bytes after it. */
static void
test_a_chunked_body_ends_with_its_last_chunk(void **state)
{
    for (int chunks = 1; chunks < 260; chunks++) {
        static char all[4096];
        size_t n = (size_t)sprintf(all, "POST /function/tell HTTP/1.1\r\n" HOST
                                        "Transfer-Encoding: chunked\r\n\r\n");
        int fd = raw_connect(*state);
        char *got;

        for (int i = 0; i < chunks; i++)
            n += (size_t)sprintf(all + n, "1\r\na\r\n");
        n += (size_t)sprintf(all + n, "0\r\n\r\n");
        raw_send(fd, all, n);
        got = raw_receive(fd, "a.");
        if (strstr(got, "a.") == NULL)
            fail_msg("%d chunks: %s", chunks, got);
        free(got);
        (void)close(fd);
    }
}

/* A response that is written after draining has begun must announce the close. */
static void
test_an_answer_while_draining_says_close(void **state)
{
    static const char request[] = "GET /function/nap HTTP/1.1\r\n" HOST "\r\n";
    struct daemon d = {0};
    char *got;
    int fd;

    (void)state;
    daemon_start(&d);
    deploy_ok(&d, "nap", "memory=16M&min=1",
              "#include <hearth.h>\n#include <time.h>\nint hearth_handle(hearth_call *c) { "
              "hearth_log(c, HEARTH_INFO, \"begun\"); nanosleep(&(struct timespec){1, 0}, 0); "
              "return hearth_printf(c, \"slept\"); "
              "}\n");
    fd = raw_connect(&d);
    raw_send(fd, request, sizeof request - 1);
    wait_for_figure(&d, "nap", "instances", "busy", 1);
    (void)kill(d.pid, SIGTERM);
    got = raw_receive(fd, NULL);
    if (strstr(got, " 200 OK") == NULL || strstr(got, "\r\nConnection: close\r\n") == NULL ||
        strstr(got, "slept") == NULL)
        fail_msg("%s", got);
    free(got);
    (void)close(fd);
    daemon_remove(&d);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_request_gets_what_the_standards_say),
        cmocka_unit_test(test_the_suite_in_one_packet),
        cmocka_unit_test(test_the_suite_byte_by_byte),
        cmocka_unit_test(test_a_connection_that_stays_serves_the_next_request),
        cmocka_unit_test(test_a_body_of_many_chunks_and_what_follows_it_arrive),
        cmocka_unit_test(test_a_chunked_body_ends_with_its_last_chunk),
        cmocka_unit_test(test_an_answer_while_draining_says_close),
    };

    return RUN_TESTS("http", tests, start, group_stop);
}
