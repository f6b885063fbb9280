/* fuzz_http.c: the HTTP server (gateway/http) on one connection. The input is what a client sends.
 * It is sent at once, and again in pieces: both times the handler gets the same requests, and the
 * client gets the same answers. */
#include <assert.h>
#include <ctype.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "answer.h"
#include "connection.h"
#include "handler.h"
#include "http.h"
#include "loop.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define INPUT_BYTES (256 * 1024) /* of which the socket takes a few at a time */

/* What one run has shown. */
struct record {
    FILE *requests; /* as the handler got them */
    char *requests_text;
    size_t requests_len;
    FILE *answers;
    char *answers_text;
    size_t answers_len;
    unsigned begun, ended, gone, answered_early;
};

/* The request that the handler has, at most one. */
static struct exchange {
    struct gw_conn *conn;
    size_t body_len;
} exchange;

static struct gw gw;
static struct gw_http http;
static struct record *now;

/* ---- the handler ---- */

static void
answer(struct gw_conn *conn, const char *why)
{
    char body[64];
    int n = snprintf(body, sizeof body, "%s: %zu bytes\n", why, exchange.body_len);

    exchange.conn = NULL;
    gw_answer(conn, 200, "text/plain", "", body, (size_t)n);
}

static void
check_text(const char *text, size_t n)
{
    assert(text[n] == '\0' && strlen(text) == n);
}

static void
print_head(const struct gw_conn *conn)
{
    const struct frame_request *request = &conn->request;
    const char *base = (const char *)conn->head->bytes + sizeof *request;
    const char *at = base + request->fields_at;

    assert(conn->method[0] != '\0' && strlen(conn->method) <= LIMIT_METHOD);
    (void)fprintf(now->requests, "%s %s", conn->method,
                  (const char *)conn->head->bytes + conn->name_at);
    if (request->query_len > 0) {
        check_text(base + request->query_at, request->query_len);
        (void)fprintf(now->requests, " ? %s", base + request->query_at);
    }
    (void)fprintf(now->requests, " length %lld%s%s\n", (long long)request->body_len,
                  conn->http10 ? " 1.0" : "", conn->expects_continue ? " continue" : "");
    assert(request->fields <= LIMIT_FIELDS);
    for (unsigned i = 0; i < request->fields; i++) {
        uint16_t lens[2];
        const char *name = at + sizeof lens;

        memcpy(lens, at, sizeof lens);
        check_text(name, lens[0]);
        check_text(name + lens[0] + 1, lens[1]);
        assert(gw_conn_field(conn, name) != NULL);
        (void)fprintf(now->requests, "%s: %s\n", name, name + lens[0] + 1);
        at = name + lens[0] + 1 + lens[1] + 1;
    }
    check_text(base + request->id_at, strlen(conn->call_id));
    assert(request->body_at == conn->head->len && conn->head->len % 16 == 0);
}

static void
begin(struct gw_conn *conn)
{
    assert(exchange.conn == NULL && conn->exchange == NULL && !conn->responded);
    now->begun++;
    exchange = (struct exchange){.conn = conn};
    print_head(conn);
    if (conn->names_function) { /* to such, the answer comes before the body */
        now->answered_early++;
        answer(conn, "early");
        return;
    }
    conn->exchange = &exchange;
}

static void
body(void *which, const unsigned char *bytes, size_t n)
{
    assert(which == &exchange && exchange.conn != NULL);
    exchange.body_len += n;
    (void)fwrite(bytes, 1, n, now->requests);
}

static void
body_end(void *which)
{
    struct gw_conn *conn = exchange.conn;

    assert(which == &exchange && conn != NULL);
    assert(conn->request.body_len < 0 || (size_t)conn->request.body_len == exchange.body_len);
    now->ended++;
    (void)fprintf(now->requests, "\nend\n");
    answer(conn, "end");
}

static bool
takes_body(const void *which)
{
    (void)which;
    return true;
}

static bool
refuse(void *which, enum gw_code code, const char *why)
{
    (void)which;
    (void)code;
    assert(why != NULL && why[0] != '\0');
    return false;
}

static void
gone(void *which)
{
    assert(which == &exchange && exchange.conn != NULL);
    now->gone++;
    exchange.conn = NULL;
}

static const struct gw_handler handler = {.begin = begin,
                                          .body = body,
                                          .body_end = body_end,
                                          .takes_body = takes_body,
                                          .refuse = refuse,
                                          .gone = gone};

static const struct gw_handler *
route(const struct gw_conn *conn)
{
    (void)conn;
    return &handler;
}

/* ---- the client ---- */

static void
take_answers(int fd)
{
    char bytes[4096];
    ssize_t n;

    while ((n = read(fd, bytes, sizeof bytes)) > 0)
        (void)fwrite(bytes, 1, (size_t)n, now->answers);
}

/* Until the server has done all that it can with what it has. */
static void
run_loop(int fd)
{
    struct gw_loop *loop = gw.loops[0];

    do {
        (void)uv_run(loop->uv, UV_RUN_NOWAIT);
        take_answers(fd);
    } while (loop->http->backlog != NULL);
    (void)uv_run(loop->uv, UV_RUN_NOWAIT);
    take_answers(fd);
}

static void
send_all(int fd, const uint8_t *data, size_t size, size_t piece)
{
    while (size > 0) {
        size_t n = piece < size ? piece : size;
        ssize_t sent = send(fd, data, n, MSG_NOSIGNAL | MSG_DONTWAIT);

        run_loop(fd);
        if (sent <= 0)
            break; /* closed; or it reads no more, before it closes */
        data += sent;
        size -= (size_t)sent;
    }
    run_loop(fd);
}

static void
run(const uint8_t *data, size_t size, size_t piece, struct record *record)
{
    struct gw_loop *loop = gw.loops[0];
    struct gw_conn *conn = gw_conn_new(loop, true, true, true);
    int pair[2];

    now = record;
    *record = (struct record){0};
    record->requests = open_memstream(&record->requests_text, &record->requests_len);
    record->answers = open_memstream(&record->answers_text, &record->answers_len);
    if (conn == NULL || record->requests == NULL || record->answers == NULL ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) != 0 ||
        uv_pipe_open(&conn->u.pipe, pair[0]) != 0)
        abort();
    (void)gw_conn_learn_peer(conn, pair[0]);
    gw_conn_begin(conn);
    send_all(pair[1], data, size, piece);
    (void)shutdown(pair[1], SHUT_WR);
    while (loop->http->conns_count > 0)
        run_loop(pair[1]);
    (void)close(pair[1]);
    (void)uv_run(loop->uv, UV_RUN_NOWAIT); /* the callback of the handle's end */
    if (fclose(record->requests) != 0 || fclose(record->answers) != 0)
        abort();
    assert(exchange.conn == NULL);
    assert(record->begun == record->ended + record->gone + record->answered_early);
}

/* ---- the answers ---- */

/* The status lines of the answers without 100 Continue, which depends on what has come; each
 * answer must be well-formed. */
static size_t
statuses(const struct record *record, uint16_t *out, size_t room)
{
    const char *at = record->answers_text, *end = at + record->answers_len;
    size_t n = 0;

    while (at < end) {
        const char *blank = strstr(at, "\r\n\r\n"), *length;
        int status;

        assert(strncmp(at, "HTTP/1.1 ", 9) == 0 && blank != NULL);
        status = atoi(at + 9);
        assert(status == 100 || status == 200 || (status >= 400 && status < 600));
        length = strstr(at, "\r\nContent-Length: ");
        at = blank + 4;
        if (status == 100)
            continue;
        assert(length != NULL && length < blank);
        if (at < end && strncmp(at, "HTTP/1.1 ", 9) != 0) /* else: the answer to a HEAD */
            at += strtoul(length + 18, NULL, 10);
        assert(at <= end && n < room);
        out[n++] = (uint16_t)status;
    }
    return n;
}

static void
compare(const struct record *one, const struct record *other)
{
    static uint16_t out[2][INPUT_BYTES / 8];
    size_t n = statuses(one, out[0], sizeof out[0] / sizeof out[0][0]);

    assert(one->requests_len == other->requests_len &&
           memcmp(one->requests_text, other->requests_text, one->requests_len) == 0);
    assert(statuses(other, out[1], sizeof out[1] / sizeof out[1][0]) == n);
    assert(memcmp(out[0], out[1], n * sizeof out[0][0]) == 0);
    assert(n <= one->begun + 1); /* one that was not understood ends the connection */
}

/* ---- one input ---- */

static void
on_tick(struct gw_loop *loop)
{
    (void)loop;
}

static void
once(void)
{
    struct hearth_err err;

    if (gw.http != NULL)
        return;
    http.route = route;
    http.header_timeout_ms = http.keepalive_timeout_ms = 60000;
    http.max_head = http.max_url = LIMIT_HEAD;
    http.max_fields = LIMIT_FIELDS;
    http.body_timeout_ms = http.write_timeout_ms = 60000;
    http.spool_use.files_most = 1000;
    http.spool_use.memory_most = http.spool_use.disk_most = INT64_MAX / 2;
    (void)signal(SIGPIPE, SIG_IGN); /* as in the daemon */
    http.active = 1;
    gw.http = &http;
    gw.on_open = gw_http_attach;
    gw.on_tick = on_tick;
    if (gw_loops_open(&gw, 1, false, &err) < 0)
        abort();
}

static void
free_record(struct record *record)
{
    free(record->requests_text);
    free(record->answers_text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct record whole, pieces;
    size_t piece = 1;

    once();
    if (size > INPUT_BYTES)
        return 0;
    for (size_t i = 0; i < size && i < 64; i++)
        piece = (piece * 31 + data[i]) % 61;
    piece = size > 4096 ? 512 + 37 * piece : 1 + piece % 13;
    run(data, size, SIZE_MAX, &whole);
    run(data, size, piece, &pieces);
    compare(&whole, &pieces);
    free_record(&whole);
    free_record(&pieces);
    return 0;
}
