/* parse.c: the callbacks of llhttp for one request. The head is encoded while it is parsed, in the
 * format in which it goes into a worker's ring. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "access.h"
#include "answer.h"
#include "connection.h"
#include "loop.h"

#define BODY_MS INT64_C(600000) /* deadline for an operator's body */

/* ---- the head ---- */

static bool
grow_head(struct gw_conn *conn, size_t n)
{
    struct gw_buffer *head = conn->head, *wider;

    if (head->len + n <= head->size)
        return true;
    wider = gw_pool_take(&conn->loop->pool, LIMIT_FRAME_HEAD);
    if (wider == NULL || head->len + n > wider->size) {
        gw_pool_give(&conn->loop->pool, wider);
        return false;
    }
    memcpy(wider->bytes, head->bytes, head->len);
    wider->len = head->len;
    gw_pool_give(&conn->loop->pool, head);
    conn->head = wider;
    return true;
}

static int
stop(struct gw_conn *conn, enum gw_code code)
{
    conn->bad = code;
    conn->bad_why = NULL;
    conn->stopped = true;
    return HPE_USER;
}

static int
stop_bad(struct gw_conn *conn, const char *why)
{
    (void)stop(conn, GW_BAD_REQUEST);
    conn->bad_why = why;
    return HPE_USER;
}

static int
append(struct gw_conn *conn, const char *bytes, size_t n)
{
    if (!grow_head(conn, n)) /* strict.c has bounded it: there is no memory */
        return stop(conn, GW_INTERNAL);
    memcpy(conn->head->bytes + conn->head->len, bytes, n);
    conn->head->len += (uint32_t)n;
    return 0;
}

static int
end_string(struct gw_conn *conn)
{
    return append(conn, "", 1);
}

static int
on_message_begin(llhttp_t *parser)
{
    struct gw_conn *conn = parser->data;

    gw_pool_give(&conn->loop->pool, conn->head);
    conn->head = gw_pool_take(&conn->loop->pool, 1);
    if (conn->head == NULL)
        return stop(conn, GW_INTERNAL);
    conn->head->len = sizeof(struct frame_request);
    memset(&conn->request, 0, sizeof conn->request);
    conn->fields = conn->dropped = 0;
    conn->trace.on = conn->trace.given = conn->trace.twice = false;
    conn->phase = GW_REQUEST_HEAD;
    conn->call_id[0] = '\0';
    conn->hosts = conn->origins = conn->codings = conn->lengths = 0;
    conn->wrong_host = conn->wrong_coding = conn->wrong_length = conn->wrong_expectation = false;
    conn->says_close = conn->says_keep_alive = false;
    conn->authority[0] = '\0';
    conn->expects_continue = conn->sent_continue = conn->stopped = false;
    conn->wants_memory = false;
    conn->names_function = false;
    return 0;
}

/* Empty lines before a request are skipped (RFC 9112, 2.2). */
ssize_t
gw_parse_method(struct gw_conn *conn, const char *bytes, size_t n)
{
    static const char others[] = "!#$%&'*+-.^_`|~";
    size_t i = 0;

    while (conn->method_len == 0 && i < n && (bytes[i] == '\r' || bytes[i] == '\n'))
        i++;
    if (conn->phase == GW_REQUEST_NONE && i < n) {
        conn->phase = GW_REQUEST_HEAD;
        gw_conn_expect_progress(conn);
    }
    for (; i < n; i++) {
        char c = bytes[i];

        if (c == ' ' && conn->method_len > 0) {
            conn->method[conn->method_len] = '\0';
            conn->method_done = true;
            return (ssize_t)i + 1;
        }
        if (conn->method_len == LIMIT_METHOD || c == '\0' ||
            (!(c >= 'A' && c <= 'Z') && !(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') &&
             strchr(others, c) == NULL))
            return -EINVAL;
        conn->method[conn->method_len++] = c;
    }
    return (ssize_t)n;
}

static int
on_url(llhttp_t *parser, const char *at, size_t n)
{
    struct gw_conn *conn = parser->data;

    if (conn->request.method_len == 0) {
        conn->request.method_len = conn->method_len;
        if (append(conn, conn->method, conn->method_len + 1u) != 0)
            return HPE_USER;
        conn->name_at = conn->head->len;
    }
    return append(conn, at, n);
}

/* Takes scheme and authority from a target in absolute form (RFC 9112, 3.2.2). Returns NULL, or
 * what is wrong. */
static const char *
make_origin_form(struct gw_conn *conn, char *target)
{
    static const char *const schemes[] = {"http://", "https://"};
    char *authority = NULL, *path;
    size_t n;

    for (size_t i = 0; i < 2; i++)
        if (strncasecmp(target, schemes[i], strlen(schemes[i])) == 0)
            authority = target + strlen(schemes[i]);
    if (authority == NULL)
        return "the target is none of a path, http://host/path, and * with OPTIONS";
    n = strcspn(authority, "/?");
    if (n == 0 || n > LIMIT_HOST)
        return "the target's host is empty, or longer than 255 bytes";
    memcpy(conn->authority, authority, n);
    conn->authority[n] = '\0';
    if (!gw_host_ok(conn->authority))
        return "the target's host is malformed";
    path = authority + n;
    if (*path != '/')
        *--path = '/'; /* there is room: a scheme was before it */
    memmove(target, path, strlen(path) + 1);
    conn->head->len = conn->name_at + (uint32_t)strlen(target) + 1;
    return NULL;
}

/* Whether the target is in a form that Hearth serves. Returns NULL, or what is wrong. */
static const char *
check_target(struct gw_conn *conn, char *target)
{
    const char *nul = strstr(target, "%00");

    if (strcmp(conn->method, "CONNECT") == 0)
        return "CONNECT is not served: this is no proxy";
    if (strchr(target, '#') != NULL)
        return "the target has a fragment";
    if (nul != NULL && strcspn(target, "?") > (size_t)(nul - target))
        return "the path has an encoded NUL";
    if (target[0] == '/' || (strcmp(target, "*") == 0 && strcmp(conn->method, "OPTIONS") == 0))
        return NULL;
    return make_origin_form(conn, target);
}

/* Splits the target at '?' and finds "/function/NAME". Offsets count from the start of the strings,
 * which is the end of struct frame_request. */
static int
on_url_complete(llhttp_t *parser)
{
    static const char prefix[] = "/function/";
    struct gw_conn *conn = parser->data;
    struct frame_request *request = &conn->request;
    uint32_t base = sizeof *request;
    char *target, *query;
    const char *why;
    size_t n;

    if (end_string(conn) != 0)
        return HPE_USER;
    target = (char *)conn->head->bytes + conn->name_at;
    if (conn->head->len - conn->name_at != strlen(target) + 1)
        return stop_bad(conn, "the target has a NUL byte");
    why = check_target(conn, target);
    if (why != NULL)
        return stop_bad(conn, why);
    query = strchr(target, '?');
    if (query != NULL) {
        *query = '\0';
        request->query_at = (uint32_t)(query + 1 - (char *)conn->head->bytes) - base;
        request->query_len = (uint32_t)strlen(query + 1);
    }
    conn->function_len = 0;
    if (strncmp(target, prefix, sizeof prefix - 1) == 0) {
        n = strcspn(target + sizeof prefix - 1, "/");
        conn->function_len = (uint32_t)n;
        request->path_at = conn->name_at + (uint32_t)(sizeof prefix - 1 + n) - base;
        request->path_len = (uint32_t)strlen(target + sizeof prefix - 1 + n);
        conn->names_function = true;
    }
    request->fields_at = conn->head->len - base;
    conn->field_at = 0;
    return 0;
}

static int
on_header_field(llhttp_t *parser, const char *at, size_t n)
{
    struct gw_conn *conn = parser->data;

    if (conn->field_at == 0) {
        conn->fields++;
        conn->field_at = conn->head->len;
        if (append(conn, "\0\0\0\0", 4) != 0)
            return HPE_USER;
    }
    return append(conn, at, n);
}

static int
on_header_field_complete(llhttp_t *parser)
{
    struct gw_conn *conn = parser->data;

    conn->name_len = conn->head->len - conn->field_at - 4;
    return end_string(conn);
}

static int
on_header_value(llhttp_t *parser, const char *at, size_t n)
{
    struct gw_conn *conn = parser->data;

    return append(conn, at, n);
}

static bool
call_id_ok(const char *id, size_t n)
{
    if (n < 1 || n > LIMIT_CALL_ID)
        return false;
    for (size_t i = 0; i < n; i++)
        if (!(id[i] >= '0' && id[i] <= '9') && !(id[i] >= 'a' && id[i] <= 'z') &&
            !(id[i] >= 'A' && id[i] <= 'Z') && strchr("._-", id[i]) == NULL)
            return false;
    return true;
}

/* 1*DIGIT (RFC 9110, 8.6) */
static bool
read_length(const char *value, int64_t *length)
{
    int64_t n = 0;

    if (value[0] == '\0')
        return false;
    for (; *value != '\0'; value++) {
        if (*value < '0' || *value > '9' || n > (INT64_MAX - 9) / 10)
            return false;
        n = 10 * n + (*value - '0');
    }
    *length = n;
    return true;
}

static void
note_framing(struct gw_conn *conn, const char *name, uint16_t name_len, const char *value)
{
    if (name_len == 17 && strcasecmp(name, "Transfer-Encoding") == 0) {
        conn->codings++;
        conn->wrong_coding = conn->wrong_coding || strcasecmp(value, "chunked") != 0;
    } else if (name_len == 14 && strcasecmp(name, "Content-Length") == 0) {
        conn->lengths++;
        conn->wrong_length = conn->wrong_length || !read_length(value, &conn->body_left);
    } else if (name_len == 10 && strcasecmp(name, "Connection") == 0) {
        conn->says_close = conn->says_close || gw_list_has(value, "close");
        conn->says_keep_alive = conn->says_keep_alive || gw_list_has(value, "keep-alive");
    }
}

/* The few fields that the platform itself uses, compared by length first. */
static void
note_field(struct gw_conn *conn, const char *name, uint16_t name_len, const char *value,
           uint16_t value_len)
{
    if (name_len == 4 && strcasecmp(name, "Host") == 0) {
        conn->hosts++;
        conn->wrong_host = conn->wrong_host || !gw_host_ok(value);
    } else if (name_len == 6 && strcasecmp(name, "Expect") == 0) {
        conn->expects_continue = strcasecmp(value, "100-continue") == 0;
        conn->wrong_expectation = conn->wrong_expectation || !conn->expects_continue;
    } else if (name_len == 6 && strcasecmp(name, "Origin") == 0)
        conn->origins++;
    else if (name_len == 9 && strcasecmp(name, "X-Call-Id") == 0 && call_id_ok(value, value_len))
        memcpy(conn->call_id, value, value_len + 1u);
    else if (name_len == 15 && strcasecmp(name, "X-Hearth-Report") == 0)
        conn->wants_memory = strcasecmp(value, "memory") == 0;
    else
        note_framing(conn, name, name_len, value);
}

/* The host of a target in absolute form counts, and not the field's (RFC 9112, 3.2.2). */
static int
replace_host(struct gw_conn *conn)
{
    const char *name = (const char *)conn->head->bytes + conn->field_at + 4;

    if (conn->authority[0] == '\0' || conn->name_len != 4 || strcasecmp(name, "Host") != 0)
        return 0;
    conn->head->len = conn->field_at + 4 + 5;
    return append(conn, conn->authority, strlen(conn->authority));
}

/* White space around a field's value is not part of it (RFC 9110, 5.5). */
static void
trim_value(struct gw_conn *conn)
{
    struct gw_buffer *head = conn->head;
    uint32_t from = conn->field_at + 4 + conn->name_len + 1, end = head->len, start = from;

    while (end > from && (head->bytes[end - 1] == ' ' || head->bytes[end - 1] == '\t'))
        end--;
    while (start < end && (head->bytes[start] == ' ' || head->bytes[start] == '\t'))
        start++;
    if (start > from)
        memmove(head->bytes + from, head->bytes + start, end - start);
    head->len = from + (end - start);
}

static int
on_header_value_complete(llhttp_t *parser)
{
    struct gw_conn *conn = parser->data;
    uint16_t lens[2];
    const char *name;

    if (conn->field_at == 0)
        return 0;
    trim_value(conn);
    if (conn->authority[0] != '\0' && replace_host(conn) != 0)
        return HPE_USER;
    lens[0] = (uint16_t)conn->name_len;
    lens[1] = (uint16_t)(conn->head->len - conn->field_at - 4 - conn->name_len - 1);
    if (end_string(conn) != 0)
        return HPE_USER;
    name = (const char *)conn->head->bytes + conn->field_at + 4;
    memcpy(conn->head->bytes + conn->field_at, lens, sizeof lens);
    if (!conn->peer_trusted && gw_is_proxy_field(name, lens[0])) { /* nobody vouches for it */
        conn->head->len = conn->field_at;
        conn->dropped++;
    }
    if (lens[0] == 11 && conn->loop->gw->http->trace_fd > 0 && conn->names_function &&
        strcasecmp(name, "traceparent") == 0) {
        gw_trace_take(conn, name + lens[0] + 1);
        conn->head->len = conn->field_at; /* the function gets another one: see finish_head */
        conn->dropped++;
    }
    note_field(conn, name, lens[0], name + lens[0] + 1, lens[1]);
    conn->field_at = 0;
    return 0;
}

const char *
gw_conn_function_name(const struct gw_conn *conn)
{
    return (const char *)conn->head->bytes + conn->name_at + strlen("/function/");
}

/* The value of the next field of that name, from the field at *at on, or NULL. *number: how many
 * fields are before *at. */
static const char *
next_field(const struct gw_conn *conn, const char *wanted, const char **at, unsigned *number)
{
    size_t wanted_len = strlen(wanted);

    while (*number < conn->fields) {
        uint16_t lens[2];
        const char *name = *at + sizeof lens;

        memcpy(lens, *at, sizeof lens);
        *at = name + lens[0] + 1 + lens[1] + 1;
        (*number)++;
        if (wanted_len == lens[0] && strcasecmp(name, wanted) == 0)
            return name + lens[0] + 1;
    }
    return NULL;
}

static const char *
fields_begin(const struct gw_conn *conn)
{
    return (const char *)conn->head->bytes + sizeof(struct frame_request) + conn->request.fields_at;
}

const char *
gw_conn_field(const struct gw_conn *conn, const char *name)
{
    const char *at = fields_begin(conn);
    unsigned number = 0;

    return next_field(conn, name, &at, &number);
}

bool
gw_conn_join_fields(const struct gw_conn *conn, const char *name, char *list, size_t n)
{
    const char *at = fields_begin(conn), *value;
    unsigned number = 0;
    size_t used = 0;
    bool any = false;

    while ((value = next_field(conn, name, &at, &number)) != NULL) {
        size_t len = strlen(value);

        if (len + 2 > n) {
            value += len + 2 - n;
            len = n - 2;
        }
        if (used + len + 2 > n) { /* the oldest part gives way */
            size_t less = used + len + 2 - n;

            memmove(list, list + less, used - less);
            used -= less;
        }
        if (used > 0)
            list[used++] = ',';
        memcpy(list + used, value, len);
        used += len;
        any = true;
    }
    list[used] = '\0';
    return any;
}

void
gw_conn_expect_progress(struct gw_conn *conn)
{
    const struct gw_http *http = conn->loop->gw->http;
    bool paced = conn->handler != NULL && conn->handler->paced;

    if (gw_conn_is_writing(conn))
        return; /* the timer guards the writes */
    if (conn->phase == GW_REQUEST_BODY)
        conn->body_at_ms = gw_now_ms();
    gw_timer_set(conn->loop, &conn->timer,
                 conn->phase == GW_REQUEST_BODY && !paced ? http->body_timeout_ms
                                                          : http->header_timeout_ms,
                 conn->timer.fire);
}

/* Counts the bytes of an unused body. The connection closes if there are too many. */
static void
discard(struct gw_conn *conn, size_t n)
{
    conn->discarded += (int64_t)n;
    if (conn->discarded > DISCARD_BYTES)
        conn->close_after = true;
}

/* ---- a request ---- */

/* Only if the body is read: the token has been checked, and the call has been admitted. */
void
gw_conn_send_continue(struct gw_conn *conn)
{
    uv_buf_t text = uv_buf_init((char *)"HTTP/1.1 100 Continue\r\n\r\n", 25);
    bool wanted = conn->exchange != NULL && conn->handler->takes_body(conn->exchange);

    if (!conn->expects_continue || conn->sent_continue || conn->http10 ||
        conn->phase < GW_REQUEST_BODY || conn->phase == GW_REQUEST_WHOLE || conn->responded ||
        !wanted)
        return;
    conn->sent_continue = true;
    gw_conn_write(conn, &text, 1);
}

uint64_t
gw_http_random(struct gw_loop *loop)
{
    uint64_t z = loop->http->id_seed += UINT64_C(0x9e3779b97f4a7c15); /* splitmix64 */

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* A permutation of a counter (splitmix64) that starts at 64 random bits. The ids are unique within
 * the daemon's life and unrelated to each other. */
static void
make_id(struct gw_loop *loop, char *id)
{
    static const char digits[] = "0123456789abcdef";
    uint64_t z = gw_http_random(loop);

    for (int i = 0; i < 16; i++, z >>= 4)
        id[i] = digits[z & 15];
    id[16] = '\0';
}

/* The field of a request that is traced. Returns false if there is no memory. */
static bool
add_traceparent(struct gw_conn *conn)
{
    static const char name[] = "traceparent";
    char value[GW_TRACEPARENT];
    uint16_t lens[2] = {sizeof name - 1, sizeof value - 1};

    if (!gw_trace_begin(conn, value))
        return true;
    if (!grow_head(conn, sizeof lens + sizeof name + sizeof value))
        return false;
    memcpy(conn->head->bytes + conn->head->len, lens, sizeof lens);
    memcpy(conn->head->bytes + conn->head->len + sizeof lens, name, sizeof name);
    memcpy(conn->head->bytes + conn->head->len + sizeof lens + sizeof name, value, sizeof value);
    conn->head->len += (uint32_t)(sizeof lens + sizeof name + sizeof value);
    conn->fields++;
    return true;
}

/* Appends call id and client, the last parts of the head. Returns false if there is no memory. */
static bool
finish_head(struct gw_conn *conn)
{
    struct frame_request *request = &conn->request;
    char client[INET6_ADDRSTRLEN];
    size_t id_len, client_len;

    if (conn->loop->gw->http->trace_fd > 0 && conn->names_function && !add_traceparent(conn))
        return false;
    conn->fields -= conn->dropped;
    request->fields = (uint16_t)conn->fields;
    request->body_len = conn->body_chunked ? -1 : conn->body_left;
    request->id_at = conn->head->len - (uint32_t)sizeof *request;
    if (conn->call_id[0] == '\0')
        make_id(conn->loop, conn->call_id);
    id_len = strlen(conn->call_id) + 1;
    gw_conn_client(conn, client);
    client_len = strlen(client) + 1;
    if (!grow_head(conn, id_len + client_len + 16))
        return false;
    memcpy(conn->head->bytes + conn->head->len, conn->call_id, id_len);
    memcpy(conn->head->bytes + conn->head->len + id_len, client, client_len);
    conn->head->len += (uint32_t)(id_len + client_len);
    while (conn->head->len % 16 != 0)
        conn->head->bytes[conn->head->len++] = 0;
    request->body_at = conn->head->len;
    return true;
}

/* What the fields say about host, framing and expectation (RFC 9110, 7.2, 8.6, 10.1.1; RFC 9112,
 * 6). Returns 0, or stops. */
static int
check_fields(struct gw_conn *conn)
{
    if (conn->hosts > 1 || (conn->hosts == 0 && !conn->http10))
        return stop_bad(conn, "HTTP/1.1 requires exactly one Host field");
    if (conn->wrong_host)
        return stop_bad(conn, "the Host field is no host, or host and port");
    if (conn->origins > 1)
        return stop_bad(conn, "there is more than one Origin field");
    if (conn->lengths > 1 || conn->wrong_length)
        return stop_bad(conn, "Content-Length must be one number of bytes");
    if (conn->codings > 0 && conn->http10)
        return stop_bad(conn, "HTTP/1.0 has no Transfer-Encoding");
    if (conn->codings > 1 || conn->wrong_coding)
        return stop_bad(conn, "Transfer-Encoding must be chunked, and nothing else");
    if (conn->codings > 0 && conn->lengths > 0)
        return stop_bad(conn, "there are both Transfer-Encoding and Content-Length");
    if (conn->wrong_expectation && !conn->http10) {
        (void)stop(conn, GW_EXPECTATION_FAILED);
        conn->bad_why = "the only expectation that is met is 100-continue";
        return HPE_USER;
    }
    return 0;
}

static int
on_headers_complete(llhttp_t *parser)
{
    struct gw_conn *conn = parser->data;

    conn->http10 = parser->http_major == 1 && parser->http_minor == 0;
    conn->head_only = strcmp(conn->method, "HEAD") == 0;
    if (parser->http_major != 1)
        return stop_bad(conn, "the version of HTTP is neither 1.1 nor 1.0");
    if (check_fields(conn) != 0)
        return HPE_USER;
    conn->close_after =
        conn->close_after || conn->says_close || (conn->http10 && !conn->says_keep_alive);
    conn->body_chunked = conn->codings > 0;
    if (conn->lengths == 0)
        conn->body_left = 0;
    if (conn->body_chunked)
        gw_chunks_begin(&conn->chunks);
    gw_timer_unset(conn->loop, &conn->timer);
    if (!finish_head(conn))
        return stop(conn, GW_INTERNAL);
    if (conn->loop->gw->http->access_format != GW_ACCESS_OFF)
        gw_access_begin(conn);
    conn->phase = GW_REQUEST_BODY;
    conn->handler = conn->loop->gw->http->route(conn);
    if (conn->handler->paced) {
        conn->paced_bytes = 0;
        conn->body_by_ms = gw_now_ms() + BODY_MS;
    }
    conn->handler->begin(conn);
    return 2; /* the body is not llhttp's, nor is an upgrade: it stops here */
}

/* ---- the body ---- */

static void
give_body(struct gw_conn *conn, const unsigned char *bytes, size_t n)
{
    conn->paced_bytes += (int64_t)n;
    if (conn->exchange != NULL)
        conn->handler->body(conn->exchange, bytes, n);
    else
        discard(conn, n);
}

static void
end_request(struct gw_conn *conn)
{
    conn->phase = GW_REQUEST_WHOLE;
    if (!gw_conn_is_writing(conn)) /* otherwise the timer guards the writes */
        gw_timer_unset(conn->loop, &conn->timer);
    if (conn->exchange != NULL)
        conn->handler->body_end(conn->exchange);
}

/* Parses to the next event. Many small chunks cost more than their bytes, so a turn limits them
 * too: then *turn_over is set. */
static size_t
parse_chunk(struct gw_conn *conn, const unsigned char *bytes, size_t n, bool *turn_over,
            const char **why)
{
    enum gw_chunk_event event;
    const unsigned char *data = NULL;
    size_t data_n = 0, used = gw_chunks_take(&conn->chunks, bytes, n, &event, &data, &data_n);

    switch (event) {
    case GW_CHUNK_SIZE:
        *turn_over = ++conn->turn_chunks % TURN_CHUNKS == 0;
        if (conn->exchange != NULL && conn->handler->body_grows != NULL)
            conn->handler->body_grows(conn->exchange, conn->chunks.left);
        break;
    case GW_CHUNK_DATA:
        give_body(conn, data, data_n);
        break;
    case GW_CHUNK_END:
        end_request(conn);
        break;
    case GW_CHUNK_BAD:
        *why = conn->chunks.why;
        break;
    case GW_CHUNK_TOO_LONG:
        (void)stop(conn, GW_HEADERS_TOO_LARGE);
        break;
    case GW_CHUNK_MORE:
        break;
    }
    return used;
}

size_t
gw_parse_body(struct gw_conn *conn, const char *bytes, size_t n, const char **why)
{
    const unsigned char *from = (const unsigned char *)bytes;
    size_t used = 0;
    bool turn_over = false;

    if (!conn->body_chunked) {
        used = (int64_t)n < conn->body_left ? n : (size_t)conn->body_left;
        conn->body_left -= (int64_t)used;
        if (used > 0)
            give_body(conn, from, used);
        if (conn->body_left == 0)
            end_request(conn);
        return used;
    }
    while (used < n && conn->phase == GW_REQUEST_BODY && !turn_over && *why == NULL &&
           !conn->stopped)
        used += parse_chunk(conn, from + used, n - used, &turn_over, why);
    return used;
}

const llhttp_settings_t *
gw_parser_settings(void)
{
    static llhttp_settings_t parser_settings;

    if (parser_settings.on_message_begin != NULL)
        return &parser_settings;
    llhttp_settings_init(&parser_settings);
    parser_settings.on_message_begin = on_message_begin;
    parser_settings.on_url = on_url;
    parser_settings.on_url_complete = on_url_complete;
    parser_settings.on_header_field = on_header_field;
    parser_settings.on_header_field_complete = on_header_field_complete;
    parser_settings.on_header_value = on_header_value;
    parser_settings.on_header_value_complete = on_header_value_complete;
    parser_settings.on_headers_complete = on_headers_complete;
    return &parser_settings;
}
