/* otlp.c: see otlp.h. */
#include "otlp.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Protobuf's wire types. */
enum { VARINT = 0, FIXED64 = 1, BYTES = 2 };

/* Field numbers of opentelemetry.proto.trace.v1 and .common.v1. */
enum {
    SPAN_TRACE_ID = 1,
    SPAN_SPAN_ID = 2,
    SPAN_PARENT = 4,
    SPAN_NAME = 5,
    SPAN_KIND = 6,
    SPAN_START = 7,
    SPAN_END = 8,
    SPAN_ATTRIBUTES = 9,
    SPAN_STATUS = 15
};
enum { STATUS_MESSAGE = 2, STATUS_CODE = 3 };
enum { KEY = 1, VALUE = 2 };                              /* of KeyValue */
enum { STRING_VALUE = 1, BOOL_VALUE = 2, INT_VALUE = 3 }; /* of AnyValue */
enum {
    SCOPE_SPANS = 2,
    RESOURCE = 1,
    SCOPE = 1,
    SPANS = 2,
    SCOPE_NAME = 1,
    SCOPE_VERSION = 2,
    RESOURCE_SPANS = 1,
    RESOURCE_ATTRIBUTES = 1
};
enum { KIND_INTERNAL = 1, KIND_SERVER = 2, STATUS_ERROR = 2 };

/* ---- protobuf ---- */

/* A growing buffer; once there was no memory, `bytes` is NULL and stays so. */
struct out {
    unsigned char *bytes;
    size_t len, room;
    bool failed;
};

static void
put(struct out *out, const void *bytes, size_t n)
{
    if (out->failed)
        return;
    if (out->len + n > out->room) {
        size_t room = 2 * (out->len + n) + 64;
        unsigned char *wider = realloc(out->bytes, room);

        if (wider == NULL) {
            out->failed = true;
            return;
        }
        out->bytes = wider;
        out->room = room;
    }
    memcpy(out->bytes + out->len, bytes, n);
    out->len += n;
}

static void
put_varint(struct out *out, uint64_t number)
{
    unsigned char bytes[10];
    size_t n = 0;

    do {
        bytes[n] = (unsigned char)((number & 0x7f) | (number > 0x7f ? 0x80 : 0));
        number >>= 7;
        n++;
    } while (number > 0);
    put(out, bytes, n);
}

static void
put_tag(struct out *out, unsigned field, unsigned type)
{
    put_varint(out, field << 3 | type);
}

static void
put_bytes(struct out *out, unsigned field, const void *bytes, size_t n)
{
    put_tag(out, field, BYTES);
    put_varint(out, n);
    put(out, bytes, n);
}

static void
put_text(struct out *out, unsigned field, const char *text)
{
    put_bytes(out, field, text, strlen(text));
}

static void
put_number(struct out *out, unsigned field, uint64_t number)
{
    put_tag(out, field, VARINT);
    put_varint(out, number);
}

static void
put_fixed64(struct out *out, unsigned field, uint64_t number)
{
    unsigned char bytes[8];

    for (unsigned i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)(number >> 8 * i);
    put_tag(out, field, FIXED64);
    put(out, bytes, sizeof bytes);
}

/* A message within another one; takes inner. */
static void
put_message(struct out *out, unsigned field, struct out *inner)
{
    put_bytes(out, field, inner->bytes != NULL ? inner->bytes : (const unsigned char *)"",
              inner->len);
    out->failed = out->failed || inner->failed;
    free(inner->bytes);
    *inner = (struct out){0};
}

static void
put_attribute(struct out *out, unsigned field, const char *key, struct out *value)
{
    struct out pair = {0};

    put_text(&pair, KEY, key);
    put_message(&pair, VALUE, value);
    put_message(out, field, &pair);
}

static void
put_text_attribute(struct out *out, unsigned field, const char *key, const char *text)
{
    struct out value = {0};

    put_text(&value, STRING_VALUE, text);
    put_attribute(out, field, key, &value);
}

static void
put_number_attribute(struct out *out, unsigned field, const char *key, unsigned kind,
                     uint64_t number)
{
    struct out value = {0};

    put_number(&value, kind, number);
    put_attribute(out, field, key, &value);
}

/* ---- spans ---- */

static void
begin_span(struct out *span, const struct trace_record *record, const uint8_t *id,
           const uint8_t *parent, const char *name, unsigned kind, uint64_t from, uint64_t took)
{
    static const uint8_t none[TRACE_SPAN];

    put_bytes(span, SPAN_TRACE_ID, record->trace_id, TRACE_ID);
    put_bytes(span, SPAN_SPAN_ID, id, TRACE_SPAN);
    if (memcmp(parent, none, sizeof none) != 0)
        put_bytes(span, SPAN_PARENT, parent, TRACE_SPAN);
    put_text(span, SPAN_NAME, name);
    put_number(span, SPAN_KIND, kind);
    put_fixed64(span, SPAN_START, from);
    put_fixed64(span, SPAN_END, from + took);
}

static void
add_call(struct out *spans, const struct trace_record *r)
{
    struct out span = {0}, status = {0};
    char name[LIMIT_METHOD + LIMIT_NAME + 16];

    (void)snprintf(name, sizeof name, "%s /function/%s", r->method, r->function);
    begin_span(&span, r, r->call, r->parent, name, KIND_SERVER, r->arrived_ns, r->total_ns);
    put_text_attribute(&span, SPAN_ATTRIBUTES, "http.request.method", r->method);
    put_text_attribute(&span, SPAN_ATTRIBUTES, "faas.name", r->function);
    put_text_attribute(&span, SPAN_ATTRIBUTES, "faas.invocation_id", r->call_id);
    put_text_attribute(&span, SPAN_ATTRIBUTES, "faas.trigger", "http");
    put_number_attribute(&span, SPAN_ATTRIBUTES, "faas.coldstart", BOOL_VALUE, r->cold_ns > 0);
    if (r->status > 0)
        put_number_attribute(&span, SPAN_ATTRIBUTES, "http.response.status_code", INT_VALUE,
                             r->status);
    if (r->code[0] != '\0')
        put_text_attribute(&span, SPAN_ATTRIBUTES, "error.type", r->code);
    if (r->status >= 500 || r->status == 0) {
        put_text(&status, STATUS_MESSAGE, r->code);
        put_number(&status, STATUS_CODE, STATUS_ERROR);
        put_message(&span, SPAN_STATUS, &status);
    }
    put_message(spans, SPANS, &span);
}

/* A step of the call. which: makes its id another one than the call's. */
static void
add_step(struct out *spans, const struct trace_record *r, const char *name, uint8_t which,
         uint64_t from, uint64_t took)
{
    struct out span = {0};
    uint8_t id[TRACE_SPAN];

    memcpy(id, r->call, sizeof id);
    id[0] ^= which;
    begin_span(&span, r, which > 0 ? id : r->run, r->call, name, KIND_INTERNAL, from, took);
    put_message(spans, SPANS, &span);
}

bool
otlp_add(struct otlp *batch, const struct trace_record *r)
{
    struct out spans = {batch->bytes, batch->len, batch->room, false};
    size_t was = batch->len;
    uint64_t queue_ns = r->wait_ns - r->cold_ns;

    add_call(&spans, r);
    if (queue_ns > 0)
        add_step(&spans, r, "queue", 1, r->arrived_ns, queue_ns);
    if (r->cold_ns > 0)
        add_step(&spans, r, "cold start", 2, r->arrived_ns + queue_ns, r->cold_ns);
    if (r->run_ns > 0)
        add_step(&spans, r, "run", 0, r->arrived_ns + r->wait_ns, r->run_ns);
    batch->bytes = spans.bytes;
    batch->room = spans.room;
    batch->len = spans.failed ? was : spans.len;
    batch->spans += !spans.failed;
    return !spans.failed;
}

unsigned char *
otlp_request(const struct otlp *batch, const char *host, size_t *len)
{
    struct out request = {0}, resource_spans = {0}, resource = {0}, scope_spans = {0}, scope = {0};

    put_text_attribute(&resource, RESOURCE_ATTRIBUTES, "service.name", "hearth");
    put_text_attribute(&resource, RESOURCE_ATTRIBUTES, "service.version", HEARTH_VERSION);
    put_text_attribute(&resource, RESOURCE_ATTRIBUTES, "host.name", host);
    put_text(&scope, SCOPE_NAME, "hearth");
    put_text(&scope, SCOPE_VERSION, HEARTH_VERSION);
    put_message(&scope_spans, SCOPE, &scope);
    put(&scope_spans, batch->bytes, batch->len);
    put_message(&resource_spans, RESOURCE, &resource);
    put_message(&resource_spans, SCOPE_SPANS, &scope_spans);
    put_message(&request, RESOURCE_SPANS, &resource_spans);
    if (request.failed) {
        free(request.bytes);
        return NULL;
    }
    *len = request.len;
    return request.bytes;
}

void
otlp_clear(struct otlp *batch)
{
    batch->len = 0;
    batch->spans = 0;
}
