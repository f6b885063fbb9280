/* response.c: converts a worker's frames to HTTP. What the worker wrote is copied first and checked
 * then. The body is not copied: its content is not interpreted, and it goes from the ring to the
 * socket.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "answer.h"
#include "call.h"
#include "connection.h"
#include "fields.h"
#include "instance.h"
#include "loop.h"

#define HEAD_ROOM (LIMIT_RESP_HEAD + 4 * LIMIT_FIELDS + 512 + GW_EXTRA_MOST)

struct out {
    char bytes[HEAD_ROOM];
    size_t len;
    unsigned seen; /* kinds of fields seen so far; see fields.h */
};

static void
put(struct out *out, const char *bytes, size_t n)
{
    memcpy(out->bytes + out->len, bytes, n);
    out->len += n;
}

static void
put_number(struct out *out, uint64_t number)
{
    char digits[20];
    int n = 0;

    do {
        digits[sizeof digits - 1 - (size_t)n++] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    put(out, digits + sizeof digits - n, (size_t)n);
}

/* Prints milliseconds with three decimals. */
static void
put_ms(struct out *out, int64_t ns)
{
    uint64_t us = ns > 0 ? (uint64_t)ns / 1000 : 0;
    char decimals[4] = {'.', (char)('0' + us / 100 % 10), (char)('0' + us / 10 % 10),
                        (char)('0' + us % 10)};

    put_number(out, us / 1000);
    put(out, decimals, sizeof decimals);
}

#define PUT(out, text) put(out, text, sizeof(text) - 1)

/* Whether the worker may set this field. The worker's library checks the same, but a compromised
 * worker can bypass it, so that this check is the one that counts. */
static bool
is_allowed_field(struct out *out, const char *name, const uint16_t lens[2])
{
    enum field_kind kind = field_kind(name, lens[0]);

    return field_name_ok(name, lens[0]) && field_value_ok(name + lens[0], lens[1]) &&
           kind != FIELD_PLATFORM && kind != FIELD_LENGTH && field_count(&out->seen, kind);
}

/* Whether the client does not get this field: a front proxy would obey it, or the platform answers
 * for the origin. */
static bool
is_kept_back(const struct gw_call *call, const char *name, size_t n)
{
    static const char allow[] = "Access-Control-Allow-Origin";
    static const char worker[] = "Service-Worker-Allowed";

    if (field_is_for_proxy(name, n))
        return !call->proxy_headers;
    /* a script of the function would serve the dashboard, which has the same origin */
    if (n == sizeof worker - 1 && strncasecmp(name, worker, n) == 0)
        return call->conn != NULL && call->conn->serves_admin;
    return call->conn != NULL && call->conn->extra != NULL && n == sizeof allow - 1 &&
           strncasecmp(name, allow, n) == 0;
}

/* Copies, checks and writes the worker's header fields. */
static int
put_fields(struct out *out, const struct gw_call *call, const struct frame_response *head,
           const unsigned char *from)
{
    unsigned char copy[LIMIT_RESP_HEAD];
    size_t at = 0;

    memcpy(copy, from, head->fields_bytes);
    for (unsigned i = 0; i < head->fields; i++) {
        const char *name;
        uint16_t lens[2];

        if (head->fields_bytes - at < sizeof lens)
            return -EPROTO;
        memcpy(lens, copy + at, sizeof lens);
        at += sizeof lens;
        if (head->fields_bytes - at < (size_t)lens[0] + lens[1])
            return -EPROTO;
        name = (const char *)copy + at;
        if (!is_allowed_field(out, name, lens))
            return -EPROTO;
        at += (size_t)lens[0] + lens[1];
        if (is_kept_back(call, name, lens[0]))
            continue;
        put(out, name, lens[0]);
        PUT(out, ": ");
        put(out, name + lens[0], lens[1]);
        PUT(out, "\r\n");
    }
    return at == head->fields_bytes ? 0 : -EPROTO;
}

static void
put_status(struct out *out, int status)
{
    const char *text;

    if (status == 200) {
        PUT(out, "HTTP/1.1 200 OK\r\n");
        return;
    }
    text = gw_status_text(status);
    PUT(out, "HTTP/1.1 ");
    put_number(out, (uint64_t)status);
    PUT(out, " ");
    put(out, text, strlen(text));
    PUT(out, "\r\n");
}

/* Determines how the client finds the end of the body. */
static void
put_framing(struct out *out, struct gw_call *call, const struct frame_response *head, bool whole,
            size_t body)
{
    struct gw_conn *conn = call->conn;
    int64_t length = whole ? (int64_t)body : head->declared;

    call->declared_left = -1;
    if (head->status == 204)
        return;
    if (head->status == 205) { /* it has no content, and says so (RFC 9110, 15.3.6) */
        PUT(out, "Content-Length: 0\r\n");
        return;
    }
    if (call->bodiless) {
        /* the length that a GET would have; only the function can know it (RFC 9110, 8.6) */
        length = head->declared >= 0 ? head->declared : (whole && body > 0 ? length : -1);
        if (length < 0)
            return;
        whole = true; /* nothing of it is left to come */
    }
    if (length >= 0) {
        PUT(out, "Content-Length: ");
        put_number(out, (uint64_t)length);
        PUT(out, "\r\n");
        if (!whole)
            call->declared_left = length;
    } else if (conn->http10) {
        conn->close_after = true;
    } else {
        conn->chunked = true;
        PUT(out, "Transfer-Encoding: chunked\r\n");
    }
}

static void
put_platform_fields(struct out *out, struct gw_call *call, bool whole)
{
    struct gw_conn *conn = call->conn;
    const char *connection, *more;
    int64_t waited = call->sch.started_ns - call->sch.arrived_ns;
    int64_t cold = call->cold_ns;

    PUT(out, "X-Call-Id: ");
    put(out, call->id, strlen(call->id));
    PUT(out, "\r\nServer-Timing: queue;dur=");
    put_ms(out, waited - cold);
    if (call->sch.cold) {
        PUT(out, ", cold;dur=");
        put_ms(out, cold);
    }
    PUT(out, ", run;dur=");
    put_ms(out, gw_now_ns() - call->sch.started_ns);
    PUT(out, "\r\n");
    if (call->reports_memory && whole) {
        PUT(out, "X-Memory-Peak: ");
        put_number(out, (uint64_t)gw_instance_peak_now(call->instance));
        PUT(out, "\r\nX-Memory-Limit: ");
        put_number(out, (uint64_t)call->instance->limit_bytes);
        PUT(out, "\r\n");
    }
    if (conn->extra != NULL)
        put(out, (const char *)conn->extra->bytes, conn->extra->len);
    if (!field_seen(out->seen, FIELD_DATE))
        put(out, gw_date(conn->loop), strlen(conn->loop->http->date));
    connection = gw_connection_fields(conn, &more);
    put(out, connection, strlen(connection));
    put(out, more, strlen(more));
    PUT(out, "\r\n");
}

static bool
has_no_body(const struct gw_conn *conn, int status)
{
    return conn->head_only || status == 204 || status == 205 || status == 304;
}

/* Writes the body bytes of a frame, chunked if the response is. */
static void
write_pieces(struct gw_call *call, struct out *head, const unsigned char *body, size_t n, bool last)
{
    static const char end[] = "\r\n", last_chunk[] = "\r\n0\r\n\r\n";
    struct gw_conn *conn = call->conn;
    char size[24];
    uv_buf_t pieces[4];
    unsigned count = 0;
    bool chunked = conn->chunked && !call->bodiless;

    if (call->bodiless)
        n = 0;
    conn->body_sent += (int64_t)n;
    if (head != NULL)
        pieces[count++] = uv_buf_init(head->bytes, (unsigned)head->len);
    if (chunked && n > 0)
        pieces[count++] = uv_buf_init(size, (unsigned)snprintf(size, sizeof size, "%zx\r\n", n));
    if (n > 0)
        pieces[count++] = uv_buf_init((char *)(uintptr_t)body, (unsigned)n);
    if (chunked && n > 0)
        pieces[count++] = last ? uv_buf_init((char *)last_chunk, sizeof last_chunk - 1)
                               : uv_buf_init((char *)end, sizeof end - 1);
    else if (chunked && last)
        pieces[count++] = uv_buf_init((char *)last_chunk + 2, sizeof last_chunk - 3);
    if (count > 0)
        gw_conn_write(conn, pieces, count);
}

/* Checks the head of the first frame. `body` bytes follow it. The last frame must complete the
 * declared length; a truncated response is marked with FRAME_CUT. */
static bool
head_ok(const struct gw_call *call, const struct frame_response *head, size_t body, bool last)
{
    if (head->status < 200 || head->status > 599 || head->declared < -1)
        return false;
    if (head->declared < 0 || (int64_t)body == head->declared)
        return true;
    return (int64_t)body < head->declared &&
           (!last || call->conn == NULL || has_no_body(call->conn, head->status));
}

static int
first_frame(struct gw_call *call, const struct frame *frame)
{
    /* a truncated response keeps its framing open and closes the connection, so the client detects
     * it */
    bool last = (frame->header.flags & (FRAME_END | FRAME_CUT)) == FRAME_END;
    struct frame_response head;
    struct out out;
    size_t body;

    if (frame->len < sizeof head)
        return -EPROTO;
    memcpy(&head, frame->payload, sizeof head);
    if (head.fields > LIMIT_FIELDS || head.fields_bytes > LIMIT_RESP_HEAD ||
        head.fields_bytes > frame->len - sizeof head)
        return -EPROTO;
    body = frame->len - sizeof head - head.fields_bytes;
    if (!head_ok(call, &head, body, last))
        return -EPROTO;
    out.len = out.seen = 0;
    put_status(&out, head.status);
    call->status = head.status;
    if (put_fields(&out, call, &head, frame->payload + sizeof head) < 0)
        return -EPROTO;
    call->response_begun = true;
    if (call->conn == NULL)
        return 1;
    call->conn->status = head.status;
    gw_conn_bound(call->conn, call->stream ? 0 : call->max_response + HEAD_ROOM);
    call->bodiless = has_no_body(call->conn, head.status);
    put_framing(&out, call, &head, last, body);
    put_platform_fields(&out, call, last);
    if (call->declared_left >= 0)
        call->declared_left -= (int64_t)body;
    write_pieces(call, &out, frame->payload + sizeof head + head.fields_bytes, body, last);
    return 1;
}

static int
later_frame(struct gw_call *call, const struct frame *frame)
{
    bool last = (frame->header.flags & FRAME_END) != 0;

    if (call->conn == NULL)
        return 1;
    if (call->declared_left >= 0) {
        if ((int64_t)frame->len > call->declared_left)
            return -EPROTO;
        call->declared_left -= (int64_t)frame->len;
    }
    write_pieces(call, NULL, frame->payload, frame->len,
                 last && (frame->header.flags & FRAME_CUT) == 0);
    return 1;
}

int
gw_response_frame(struct gw_call *call, const struct frame *frame)
{
    bool first = frame->header.type == FRAME_RESPONSE;

    if (first == call->response_begun)
        return -EPROTO;
    return first ? first_frame(call, frame) : later_frame(call, frame);
}
