/* response.c: the part of hearth.h for the response.
 *
 * The first write reserves a frame in the ring, and the bytes of the function are copied into it. A
 * response that fits in that frame is sent when the handler returns; a longer one is sent frame by
 * frame.
 */
#include "response.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "api.h"
#include "bell.h"
#include "fields.h"

static const char default_type[] = "text/plain; charset=utf-8";

static int
fail_with(int code)
{
    errno = code;
    return -1;
}

/* ---- status and fields ---- */

int
hearth_status(hearth_call *call, int code)
{
    if (call->body_begun || code < 200 || code > 599)
        return fail_with(EINVAL);
    call->status = (uint16_t)code;
    return 0;
}

static int
set_length(hearth_call *call, const char *value)
{
    char *end;
    long long n;

    errno = 0;
    n = strtoll(value, &end, 10);
    if (value[0] < '0' || value[0] > '9' || *end != '\0' || errno != 0)
        return fail_with(EINVAL);
    call->declared = n;
    return 0;
}

static int
add_field(hearth_call *call, const char *name, size_t name_len, const char *value, size_t value_len)
{
    uint16_t lens[2] = {(uint16_t)name_len, (uint16_t)value_len};
    unsigned char *at = call->field_bytes + call->fields_bytes;

    if (call->fields == LIMIT_FIELDS ||
        call->fields_bytes + sizeof lens + name_len + value_len > sizeof call->field_bytes)
        return fail_with(ENOSPC);
    memcpy(at, lens, sizeof lens);
    memcpy(at + sizeof lens, name, name_len);
    memcpy(at + sizeof lens + name_len, value, value_len);
    call->fields++;
    call->fields_bytes += (uint32_t)(sizeof lens + name_len + value_len);
    return 0;
}

static bool
is_event_stream(const char *type)
{
    static const char events[] = "text/event-stream";
    size_t n = sizeof events - 1;

    return strncasecmp(type, events, n) == 0 &&
           (type[n] == '\0' || type[n] == ';' || type[n] == ' ' || type[n] == '\t');
}

int
hearth_set_header(hearth_call *call, const char *name, const char *value)
{
    size_t name_len = name != NULL ? strlen(name) : 0;
    size_t value_len = value != NULL ? strlen(value) : 0;
    enum field_kind kind = field_kind(name, name_len);
    unsigned seen = call->fields_seen;

    if (call->body_begun || value == NULL || !field_name_ok(name, name_len) ||
        !field_value_ok(value, value_len) || kind == FIELD_PLATFORM)
        return fail_with(EINVAL);
    if (name_len > LIMIT_RESP_HEAD || value_len > LIMIT_RESP_HEAD)
        return fail_with(ENOSPC);
    if (kind == FIELD_LENGTH)
        return set_length(call, value);
    if (!field_count(&seen, kind))
        return fail_with(EINVAL);
    if (add_field(call, name, name_len, value, value_len) < 0)
        return -1;
    if (kind == FIELD_TYPE)
        call->event_stream = is_event_stream(value);
    call->fields_seen = seen;
    return 0;
}

/* ---- frames ---- */

static bool
wants_type(const hearth_call *call)
{
    return !field_seen(call->fields_seen, FIELD_TYPE) && call->status != 204 && call->status != 304;
}

/* Waits for room for n bytes of payload and the NUL of vsnprintf, which is not sent. False if the
 * client has gone. always: the frame must be sent in any case. */
static bool
reserve(hearth_call *call, size_t n, bool always)
{
    while ((call->out = chan_reserve(call->chan, n + 1)) == NULL) {
        if (!always && wrk_call_cancelled(call))
            return false;
        chan_worker_wait(call->chan, n + 1, always ? 0 : call->serial);
    }
    call->out_at = 0;
    call->out_room = n;
    return true;
}

/* Reserves the first frame and writes the head of the response into it. */
static bool
open_response(hearth_call *call, bool always)
{
    struct frame_response head;

    if (wants_type(call)) {
        (void)field_count(&call->fields_seen, FIELD_TYPE);
        (void)add_field(call, "Content-Type", 12, default_type, sizeof default_type - 1);
    }
    head = (struct frame_response){.status = call->status,
                                   .fields = call->fields,
                                   .fields_bytes = call->fields_bytes,
                                   .declared = call->declared};
    if (!reserve(call, sizeof head + head.fields_bytes + LIMIT_FRAME_BODY, always))
        return false;
    memcpy(call->out, &head, sizeof head);
    memcpy(call->out + sizeof head, call->field_bytes, head.fields_bytes);
    call->out_at = sizeof head + head.fields_bytes;
    return true;
}

/* The last frame of a call rings no bell here: the call loop does it, once for all requests that it
 * found in the ring. */
static void
send_frame(hearth_call *call, unsigned flags)
{
    chan_commit(call->chan, call->begun ? FRAME_BODY : FRAME_RESPONSE, flags, call->serial,
                call->out_at);
    call->begun = true;
    call->out = NULL;
    if ((flags & FRAME_END) == 0)
        wrk_ring_bell(call->chan);
}

/* Makes room in the current frame: if it is full, sends it and begins another. */
static int
make_room(hearth_call *call)
{
    if (wrk_call_cancelled(call))
        return fail_with(EPIPE);
    if (call->out != NULL && call->out_at < call->out_room)
        return 0;
    if (call->out != NULL)
        send_frame(call, 0);
    if (call->begun ? !reserve(call, LIMIT_FRAME_BODY, false) : !open_response(call, false))
        return fail_with(EPIPE);
    return 0;
}

/* Sends what was written, or the head alone if nothing was. False if the client has gone. */
static bool
flush(hearth_call *call)
{
    if (wrk_call_cancelled(call))
        return false;
    if (call->out == NULL && !call->begun && !open_response(call, false))
        return false;
    call->body_begun = true;
    if (call->out != NULL && (!call->begun || call->out_at > 0))
        send_frame(call, 0);
    return true;
}

int
hearth_flush(hearth_call *call)
{
    return flush(call) ? 0 : fail_with(EPIPE);
}

void
wrk_call_flush_before_wait(hearth_call *call)
{
    if (call->out != NULL && call->out_at > 0)
        (void)flush(call);
}

/* Events are of use only if they arrive. */
static int
flush_events(hearth_call *call)
{
    return !call->event_stream || flush(call) ? 0 : fail_with(EPIPE);
}

static int
check_declared(const hearth_call *call, size_t n)
{
    if (call->declared >= 0 && (n > INT64_MAX || (int64_t)n > call->declared - call->written))
        return fail_with(EINVAL);
    return 0;
}

int
hearth_write(hearth_call *call, const void *buf, size_t n)
{
    const unsigned char *from = buf;

    if (check_declared(call, n) < 0)
        return -1;
    call->body_begun = true;
    while (n > 0) {
        size_t part;

        if (make_room(call) < 0)
            return -1;
        part = call->out_room - call->out_at < n ? call->out_room - call->out_at : n;
        memcpy(call->out + call->out_at, from, part);
        call->out_at += part;
        call->written += (int64_t)part;
        from += part;
        n -= part;
    }
    return flush_events(call);
}

/* Formats into the current frame. *fits: the text fitted, and was added. Returns the length of the
 * text, or -1 with errno. */
static int
format(hearth_call *call, bool *fits, const char *fmt, va_list ap)
{
    size_t room;
    int n;

    *fits = false;
    if (make_room(call) < 0)
        return -1;
    call->body_begun = true;
    room = call->out_room - call->out_at;
    n = vsnprintf((char *)call->out + call->out_at, room + 1, fmt, ap);
    if (n < 0 || check_declared(call, (size_t)n) < 0)
        return -1;
    *fits = (size_t)n <= room;
    if (*fits) {
        call->out_at += (size_t)n;
        call->written += n;
    }
    return n;
}

/* For a text of n bytes, more than a frame holds. */
static int
print_long(hearth_call *call, size_t n, const char *fmt, va_list ap)
{
    char *text = wrk_block_take(n + 1);
    int status;

    if (text == NULL)
        return -1;
    (void)vsnprintf(text, n + 1, fmt, ap);
    status = hearth_write(call, text, n);
    wrk_block_give(text, n + 1, n);
    return status;
}

/* A text that does not fit in the current frame is formatted again, into the next. */
int
hearth_printf(hearth_call *call, const char *fmt, ...)
{
    bool fits;
    int n;
    va_list ap, again;

    va_start(ap, fmt);
    va_copy(again, ap);
    n = format(call, &fits, fmt, ap);
    va_end(ap);
    if (n > LIMIT_FRAME_BODY) {
        n = print_long(call, (size_t)n, fmt, again);
    } else if (n >= 0 && !fits) {
        send_frame(call, 0);
        n = format(call, &fits, fmt, again);
    }
    va_end(again);
    return n >= 0 ? flush_events(call) : -1;
}

/* ---- the end ---- */

void
wrk_call_fail(hearth_call *call, const char *exception, bool no_memory)
{
    (void)snprintf(call->failed.exception, sizeof call->failed.exception, "%s", exception);
    call->failed.no_memory = no_memory;
}

static void
send_failed(hearth_call *call, int32_t returned, unsigned flags)
{
    call->failed.returned = returned;
    (void)reserve(call, sizeof call->failed, true);
    memcpy(call->out, &call->failed, sizeof call->failed);
    chan_commit(call->chan, FRAME_FAILED, FRAME_END | flags, call->serial, sizeof call->failed);
    call->out = NULL;
}

void
wrk_call_respond(hearth_call *call, int returned, unsigned flags)
{
    bool whole = call->declared < 0 || call->declared == call->written || call->status == 304 ||
                 call->status == 204 || call->is_head;

    if (!call->begun && returned != 0) {
        send_failed(call, returned, flags);
        return;
    }
    if (!call->begun && call->out == NULL)
        (void)open_response(call, true);
    if (call->begun && call->out == NULL)
        (void)reserve(call, 0, true);
    send_frame(call, FRAME_END | flags | (returned != 0 || !whole ? FRAME_CUT : 0));
}
