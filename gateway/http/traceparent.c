/* traceparent.c: see traceparent.h. */
#include "traceparent.h"

#include <stdio.h>
#include <string.h>

#include "connection.h"
#include "loop.h"

static int
digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1; /* capitals are not allowed */
}

/* 2 * n digits. False if they are none, or all are zero and that is not allowed. */
static bool
parse_hex(const char *text, uint8_t *bytes, size_t n, bool may_be_zero)
{
    uint8_t any = 0;

    for (size_t i = 0; i < n; i++) {
        int high = digit(text[2 * i]), low = high >= 0 ? digit(text[2 * i + 1]) : -1;

        if (low < 0)
            return false;
        bytes[i] = (uint8_t)(high << 4 | low);
        any |= bytes[i];
    }
    return any != 0 || may_be_zero;
}

bool
gw_traceparent_parse(const char *text, struct gw_trace *trace, bool *sampled)
{
    size_t len = strlen(text);
    struct gw_trace read = {0};
    uint8_t version, flags;

    if (len < 55 || text[2] != '-' || text[35] != '-' || text[52] != '-' ||
        !parse_hex(text, &version, 1, true) || version == 0xff || (version == 0 && len != 55) ||
        (len > 55 && text[55] != '-') || !parse_hex(text + 3, read.trace_id, TRACE_ID, false) ||
        !parse_hex(text + 36, read.parent, TRACE_SPAN, false) ||
        !parse_hex(text + 53, &flags, 1, true))
        return false;
    *trace = read;
    *sampled = (flags & 1) != 0;
    return true;
}

static void
fill_random(struct gw_loop *loop, uint8_t *bytes, size_t n)
{
    for (size_t i = 0; i < n; i += sizeof(uint64_t)) {
        uint64_t number = gw_http_random(loop);

        memcpy(bytes + i, &number, sizeof number);
    }
    bytes[0] |= (uint8_t)(bytes[0] == 0); /* not all zero */
}

void
gw_trace_take(struct gw_conn *conn, const char *value)
{
    struct gw_trace *trace = &conn->trace, read;
    bool sampled;

    if (trace->given || trace->twice) {
        *trace = (struct gw_trace){.twice = true};
        return;
    }
    if (!gw_traceparent_parse(value, &read, &sampled))
        return;
    *trace = read;
    trace->given = true;
    trace->on = sampled;
}

static size_t
put_hex(char *text, const uint8_t *bytes, size_t n)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < n; i++) {
        text[2 * i] = digits[bytes[i] >> 4];
        text[2 * i + 1] = digits[bytes[i] & 15];
    }
    return 2 * n;
}

bool
gw_trace_begin(struct gw_conn *conn, char field[GW_TRACEPARENT])
{
    struct gw_trace *trace = &conn->trace;
    const struct gw_http *http = conn->loop->gw->http;
    size_t at = 3;

    if (!trace->given && gw_http_random(conn->loop) % 100 < (uint64_t)http->trace_percent) {
        fill_random(conn->loop, trace->trace_id, TRACE_ID);
        memset(trace->parent, 0, sizeof trace->parent);
        trace->on = true;
    }
    if (!trace->on && !trace->given)
        return false;
    fill_random(conn->loop, trace->call, TRACE_SPAN);
    if (trace->on)
        fill_random(conn->loop, trace->run, TRACE_SPAN);
    else
        memcpy(trace->run, trace->parent, TRACE_SPAN); /* nobody records it: passed on as it is */
    field[0] = field[1] = '0';                         /* the version */
    field[2] = '-';
    at += put_hex(field + at, trace->trace_id, TRACE_ID);
    field[at++] = '-';
    at += put_hex(field + at, trace->run, TRACE_SPAN);
    (void)snprintf(field + at, GW_TRACEPARENT - at, trace->on ? "-01" : "-00");
    return true;
}
