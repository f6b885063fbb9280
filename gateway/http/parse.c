/* parse.c: the callbacks of llhttp for one request. The head is encoded while it is parsed, in the
 * format in which it goes into a worker's ring. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

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
    conn->stopped = true;
    return HPE_USER;
}

static int
append(struct gw_conn *conn, const char *bytes, size_t n)
{
    if (conn->head->len + n > LIMIT_HEAD || !grow_head(conn, n))
        return stop(conn, GW_HEADERS_TOO_LARGE);
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
    conn->phase = GW_REQUEST_HEAD;
    conn->call_id[0] = '\0';
    conn->has_host = conn->has_two_hosts = false;
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

/* Removes "http://host" from an absolute target. */
static void
make_origin_form(struct gw_conn *conn)
{
    char *target = (char *)conn->head->bytes + conn->name_at;
    char *host = target[0] != '/' ? strstr(target, "://") : NULL;
    char *path = host != NULL ? strpbrk(host + 3, "/?") : NULL;

    if (path == NULL || *path != '/')
        return;
    memmove(target, path, strlen(path) + 1);
    conn->head->len = conn->name_at + (uint32_t)strlen(target) + 1;
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
    size_t n;

    if (end_string(conn) != 0)
        return HPE_USER;
    make_origin_form(conn);
    target = (char *)conn->head->bytes + conn->name_at;
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

    if (conn->phase >= GW_REQUEST_BODY)
        return 0; /* a trailer field: not forwarded */
    if (conn->field_at == 0) {
        if (++conn->fields > LIMIT_FIELDS)
            return stop(conn, GW_HEADERS_TOO_LARGE);
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

    if (conn->phase >= GW_REQUEST_BODY)
        return 0;
    conn->name_len = conn->head->len - conn->field_at - 4;
    return end_string(conn);
}

static int
on_header_value(llhttp_t *parser, const char *at, size_t n)
{
    struct gw_conn *conn = parser->data;

    return conn->phase >= GW_REQUEST_BODY ? 0 : append(conn, at, n);
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

/* The few fields that the platform itself uses, compared by length first. */
static void
note_field(struct gw_conn *conn, const char *name, uint16_t name_len, const char *value,
           uint16_t value_len)
{
    if (name_len == 4 && strcasecmp(name, "Host") == 0) {
        conn->has_two_hosts = conn->has_host;
        conn->has_host = true;
    } else if (name_len == 6 && strcasecmp(name, "Expect") == 0)
        conn->expects_continue = strcasecmp(value, "100-continue") == 0;
    else if (name_len == 9 && strcasecmp(name, "X-Call-Id") == 0 && call_id_ok(value, value_len))
        memcpy(conn->call_id, value, value_len + 1u);
    else if (name_len == 15 && strcasecmp(name, "X-Hearth-Report") == 0)
        conn->wants_memory = strcasecmp(value, "memory") == 0;
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

    if (conn->phase >= GW_REQUEST_BODY || conn->field_at == 0)
        return 0;
    trim_value(conn);
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
    note_field(conn, name, lens[0], name + lens[0] + 1, lens[1]);
    conn->field_at = 0;
    return 0;
}

const char *
gw_conn_function_name(const struct gw_conn *conn)
{
    return (const char *)conn->head->bytes + conn->name_at + strlen("/function/");
}

static const char *
find_field(const struct gw_conn *conn, const char *wanted, bool last)
{
    const char *at =
        (const char *)conn->head->bytes + sizeof(struct frame_request) + conn->request.fields_at;
    const char *found = NULL;

    for (unsigned i = 0; i < conn->fields && (found == NULL || last); i++) {
        uint16_t lens[2];
        const char *name = at + sizeof lens;

        memcpy(lens, at, sizeof lens);
        if (strlen(wanted) == lens[0] && strcasecmp(name, wanted) == 0)
            found = name + lens[0] + 1;
        at = name + lens[0] + 1 + lens[1] + 1;
    }
    return found;
}

const char *
gw_conn_field(const struct gw_conn *conn, const char *name)
{
    return find_field(conn, name, false);
}

const char *
gw_conn_last_field(const struct gw_conn *conn, const char *name)
{
    return find_field(conn, name, true);
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

/* A permutation of a counter (splitmix64) that starts at 64 random bits. The ids are unique within
 * the daemon's life and unrelated to each other. */
static void
make_id(struct gw_loop *loop, char *id)
{
    static const char digits[] = "0123456789abcdef";
    uint64_t z = loop->http->id_seed += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    z ^= z >> 31;
    for (int i = 0; i < 16; i++, z >>= 4)
        id[i] = digits[z & 15];
    id[16] = '\0';
}

/* Appends call id and client, the last parts of the head. Returns false if there is no memory. */
static bool
finish_head(struct gw_conn *conn)
{
    struct frame_request *request = &conn->request;
    char client[INET6_ADDRSTRLEN];
    size_t id_len, client_len;
    int64_t length = (conn->parser.flags & F_CONTENT_LENGTH) != 0
                         ? (int64_t)conn->parser.content_length
                         : ((conn->parser.flags & F_CHUNKED) != 0 ? -1 : 0);

    conn->fields -= conn->dropped;
    request->fields = (uint16_t)conn->fields;
    request->body_len = length;
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

static int
on_headers_complete(llhttp_t *parser)
{
    struct gw_conn *conn = parser->data;

    conn->http10 = parser->http_major == 1 && parser->http_minor == 0;
    conn->head_only = strcmp(conn->method, "HEAD") == 0;
    conn->close_after = conn->close_after || !llhttp_should_keep_alive(parser);
    if ((parser->flags & F_CONTENT_LENGTH) != 0 && parser->content_length > INT64_MAX)
        return stop(conn, GW_BAD_REQUEST);
    if (parser->http_major != 1 || (!conn->has_host && !conn->http10) || conn->has_two_hosts)
        return stop(conn, GW_BAD_REQUEST);
    gw_timer_unset(conn->loop, &conn->timer);
    if (!finish_head(conn))
        return stop(conn, GW_INTERNAL);
    conn->phase = GW_REQUEST_BODY;
    if (parser->upgrade) /* served as plain HTTP/1.1; the bytes that follow are not parsed */
        conn->close_after = true;
    conn->handler = conn->loop->gw->http->route(conn);
    if (conn->handler->paced) {
        conn->paced_bytes = 0;
        conn->body_by_ms = gw_now_ms() + BODY_MS;
    }
    if (conn->request.body_len != 0)
        gw_conn_expect_progress(conn);
    conn->handler->begin(conn);
    return 0;
}

static int
on_body(llhttp_t *parser, const char *at, size_t n)
{
    struct gw_conn *conn = parser->data;

    conn->paced_bytes += (int64_t)n;
    conn->body_at_ms = gw_now_ms();
    if (conn->exchange != NULL)
        conn->handler->body(conn->exchange, (const unsigned char *)at, n);
    else
        discard(conn, n);
    return 0;
}

/* Many small chunks cost more than their bytes, so a turn limits them too. */
static int
on_chunk_header(llhttp_t *parser)
{
    struct gw_conn *conn = parser->data;

    if (parser->content_length == 0)
        return 0; /* the last one: the end of the request must not wait for further bytes */
    return ++conn->turn_chunks % TURN_CHUNKS == 0 ? HPE_PAUSED : 0;
}

static int
on_message_complete(llhttp_t *parser)
{
    struct gw_conn *conn = parser->data;

    conn->phase = GW_REQUEST_WHOLE;
    if (!gw_conn_is_writing(conn)) /* otherwise the timer guards the writes */
        gw_timer_unset(conn->loop, &conn->timer);
    if (conn->exchange != NULL)
        conn->handler->body_end(conn->exchange);
    return HPE_PAUSED;
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
    parser_settings.on_body = on_body;
    parser_settings.on_chunk_header = on_chunk_header;
    parser_settings.on_message_complete = on_message_complete;
    return &parser_settings;
}
