/* head.c: the part of hearth.h for the head of a request. The head is read in place. A value that
 * has to be decoded or joined is so at its first use, once, in the memory of the call.
 */
#include <string.h>
#include <strings.h>

#include "api.h"
#include "call.h"
#include "request.h"

/* The values of a repeated field, joined; valid until the end of the call. */
struct wrk_joined {
    struct wrk_joined *next;
    const char *first; /* the first value, which identifies the field */
    char text[];
};

const char *
hearth_method(hearth_call *call)
{
    return call->strings;
}

const char *
hearth_call_id(hearth_call *call)
{
    return call->strings + call->request.id_at;
}

const char *
hearth_client(hearth_call *call)
{
    const char *id = hearth_call_id(call);

    return id + strlen(id) + 1;
}

const char *
hearth_query_string(hearth_call *call)
{
    return call->request.query_at != 0 ? call->strings + call->request.query_at : NULL;
}

static int
hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* Decodes %XX, except an encoded NUL, which would end the string early. out has room for n + 1.
 * Returns the place of the NUL at the end. */
static char *
decode(const char *text, size_t n, bool plus, char *out)
{
    for (size_t i = 0; i < n; i++) {
        if (text[i] == '%' && n - i > 2) {
            int high = hex_value(text[i + 1]), low = hex_value(text[i + 2]);

            if (high >= 0 && low >= 0 && high + low != 0) {
                *out++ = (char)(high * 16 + low);
                i += 2;
                continue;
            }
        }
        *out++ = plus && text[i] == '+' ? ' ' : text[i];
    }
    *out = '\0';
    return out;
}

const char *
hearth_path(hearth_call *call)
{
    const char *raw = call->strings + call->request.path_at;
    size_t n = call->request.path_len;
    char *out;

    if (call->path != NULL)
        return call->path;
    if (n == 0)
        return call->path = "/";
    out = wrk_arena_take(call->arena, n + 1);
    if (out == NULL)
        return NULL;
    (void)decode(raw, n, false, out);
    return call->path = out;
}

/* ---- the query ---- */

/* Most bytes of the decoded pairs: name and value, each with a NUL. */
static size_t
pairs_size(const char *at)
{
    size_t size = 0;

    while (*at != '\0') {
        size_t pair = strcspn(at, "&");

        size += pair > 0 ? pair + 2 : 0;
        at += pair + (at[pair] == '&');
    }
    return size;
}

/* Decodes a pair of n bytes, "name=value" or only a name, to name and value. Returns their end. */
static char *
decode_pair(const char *at, size_t n, char *out)
{
    const char *equals = memchr(at, '=', n);
    size_t name = equals != NULL ? (size_t)(equals - at) : n;

    out = decode(at, name, true, out) + 1;
    if (equals == NULL)
        *out = '\0';
    else
        out = decode(equals + 1, n - name - 1, true, out);
    return out + 1;
}

/* False if there is no memory. */
static bool
decode_query(struct hearth_call *call)
{
    const char *at = hearth_query_string(call);
    size_t size = at != NULL ? pairs_size(at) : 0;
    char *out;

    if (call->pairs != NULL || size == 0)
        return true;
    out = wrk_arena_take(call->arena, size);
    if (out == NULL)
        return false;
    call->pairs = out;
    while (*at != '\0') {
        size_t pair = strcspn(at, "&");

        if (pair > 0)
            out = decode_pair(at, pair, out);
        at += pair + (at[pair] == '&');
    }
    call->pairs_end = out;
    return true;
}

const char *
hearth_query(hearth_call *call, const char *name)
{
    if (!decode_query(call))
        return NULL;
    for (const char *at = call->pairs, *value; at < call->pairs_end; at = strchr(value, '\0') + 1) {
        value = strchr(at, '\0') + 1;
        if (strcmp(at, name) == 0)
            return value;
    }
    return NULL;
}

/* ---- fields ---- */

struct field {
    const char *name, *value;
    size_t name_len, value_len;
};

/* Reads the field at this place of the head. Returns the place of the next. */
static const char *
read_field(const char *at, struct field *field)
{
    uint16_t lens[2];

    memcpy(lens, at, sizeof lens);
    field->name = at + sizeof lens;
    field->name_len = lens[0];
    field->value = field->name + lens[0] + 1;
    field->value_len = lens[1];
    return field->value + lens[1] + 1;
}

bool
wrk_call_field(struct hearth_call *call, unsigned n, const char **name, const char **value)
{
    const char *at = call->strings + call->request.fields_at;
    struct field field;

    if (n >= call->request.fields)
        return false;
    do
        at = read_field(at, &field);
    while (n-- > 0);
    *name = field.name;
    *value = field.value;
    return true;
}

static bool
has_name(const struct field *field, const char *name, size_t n)
{
    return field->name_len == n && strcasecmp(field->name, name) == 0;
}

/* Joins the values of the field: n bytes with the separators. NULL if there is no memory. */
static struct wrk_joined *
join(struct hearth_call *call, const char *name, size_t n)
{
    /* RFC 9113, 8.2.3: cookies are joined by a semicolon */
    const char *between = strcasecmp(name, "Cookie") == 0 ? "; " : ", ";
    struct wrk_joined *joined = wrk_arena_take(call->arena, sizeof *joined + n + 1);
    const char *at = call->strings + call->request.fields_at;
    size_t name_len = strlen(name);
    struct field field;
    char *out;

    if (joined == NULL)
        return NULL;
    joined->first = NULL;
    out = joined->text;
    for (unsigned i = 0; i < call->request.fields; i++) {
        at = read_field(at, &field);
        if (!has_name(&field, name, name_len))
            continue;
        if (joined->first == NULL)
            joined->first = field.value;
        else
            out = mempcpy(out, between, 2);
        out = mempcpy(out, field.value, field.value_len);
    }
    *out = '\0';
    joined->next = call->joined;
    return call->joined = joined;
}

const char *
hearth_header(hearth_call *call, const char *name)
{
    const char *at = call->strings + call->request.fields_at, *first = NULL;
    size_t name_len = strlen(name), n = 0;
    struct wrk_joined *joined;
    unsigned count = 0;
    struct field field;

    for (unsigned i = 0; i < call->request.fields; i++) {
        at = read_field(at, &field);
        if (!has_name(&field, name, name_len))
            continue;
        if (count++ == 0)
            first = field.value;
        n += field.value_len + (count > 1 ? 2 : 0);
    }
    if (count < 2)
        return first;
    for (joined = call->joined; joined != NULL; joined = joined->next)
        if (joined->first == first)
            return joined->text;
    joined = join(call, name, n);
    return joined != NULL ? joined->text : NULL;
}
