/* strict.c: see strict.h. The numbers are sections of RFC 9112. */
#include "strict.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

static const char version[] = "HTTP/";
static const char length_name[] = "content-length";

#define VERSION_BYTES 8u /* HTTP/1.1 */

/* The byte after `good` ones is wrong. */
static size_t
fail(const char **why, size_t good, const char *text)
{
    *why = text;
    return good;
}

/* The bytes until `end`, or all. */
static size_t
until(const char *bytes, size_t n, char end)
{
    const char *found = memchr(bytes, end, n);

    return found != NULL ? (size_t)(found - bytes) : n;
}

/* What a limit leaves; a reload may have lowered it since the head began. */
static size_t
left(int64_t limit, uint32_t used)
{
    return limit > (int64_t)used ? (size_t)(limit - used) : 0;
}

static void
begin(struct gw_strict *strict, int state)
{
    strict->state = state;
    strict->at = 0;
    strict->is_length = true;
}

static size_t
scan_target(struct gw_strict *strict, const struct gw_strict_limits *limits, const char *bytes,
            size_t n, const char **why)
{
    size_t part = until(bytes, n, ' '), most = left(limits->target, strict->at);

    if (part > most) {
        strict->over = GW_STRICT_TARGET_TOO_LONG;
        return fail(why, most, "the target is longer than the option max_url allows");
    }
    strict->at += (uint32_t)part;
    if (part == n)
        return n;
    if (strict->at == 0)
        return fail(why, 0, "one space is between the method and the target (3)");
    begin(strict, GW_STRICT_VERSION);
    return part + 1;
}

static size_t
scan_version(struct gw_strict *strict, const char *bytes, size_t n, const char **why)
{
    for (size_t i = 0; i < n; i++) {
        if (strict->at == VERSION_BYTES && bytes[i] == '\r') {
            strict->state = GW_STRICT_LF;
            return i + 1;
        }
        if (strict->at == VERSION_BYTES ||
            (strict->at < sizeof version - 1 && bytes[i] != version[strict->at]))
            return fail(why, i, "the request line does not end with HTTP/1.1 or HTTP/1.0 (3)");
        strict->at++;
    }
    return n;
}

static const char too_large[] = "the head has more bytes or fields than the options max_header and "
                                "max_header_fields allow";

static size_t
scan_line(struct gw_strict *strict, const struct gw_strict_limits *limits, const char *bytes,
          const char **why)
{
    if (bytes[0] == '\r') {
        strict->state = GW_STRICT_LAST_LF;
        return 1;
    }
    if (bytes[0] == ' ' || bytes[0] == '\t')
        return fail(why, 0, "a line of the head begins with white space (5.2)");
    if (bytes[0] == ':')
        return fail(why, 0, "a field has no name (5)");
    if (bytes[0] == '\n')
        return fail(why, 0, "a line of the head ends without a carriage return (2.2)");
    if (strict->fields >= limits->fields) {
        strict->over = GW_STRICT_HEAD_TOO_LARGE;
        return fail(why, 0, too_large);
    }
    strict->fields++;
    begin(strict, GW_STRICT_NAME);
    return 0;
}

static size_t
scan_name(struct gw_strict *strict, const char *bytes, size_t n, const char **why)
{
    size_t part = until(bytes, n, ':'), line = until(bytes, part, '\r');

    if (line < part)
        return fail(why, line, "a line of the head has no colon (5)");
    for (size_t i = 0; i < part && strict->is_length; i++)
        strict->is_length = strict->at + i < sizeof length_name - 1 &&
                            tolower((unsigned char)bytes[i]) == length_name[strict->at + i];
    strict->at += (uint32_t)part;
    if (part > 0)
        strict->last = bytes[part - 1];
    if (part == n)
        return n;
    if (strict->last == ' ' || strict->last == '\t')
        return fail(why, part, "white space is between a field's name and the colon (5.1)");
    strict->is_length = strict->is_length && strict->at == sizeof length_name - 1;
    strict->state = GW_STRICT_VALUE;
    return part + 1;
}

static size_t
scan_value(struct gw_strict *strict, char *bytes, size_t n, const char **why)
{
    size_t part = until(bytes, n, '\r');

    if (memchr(bytes, '\n', part) != NULL)
        return fail(why, until(bytes, part, '\n'),
                    "a line of the head ends without a carriage return (2.2)");
    for (size_t i = 0; i < part && strict->is_length; i++)
        if (bytes[i] == '\t')
            bytes[i] = ' ';
    if (part == n)
        return n;
    strict->state = GW_STRICT_LF;
    return part + 1;
}

static size_t
scan_lf(struct gw_strict *strict, const char *bytes, const char **why)
{
    if (bytes[0] != '\n')
        return fail(why, 0, "a carriage return is within a line of the head (2.2)");
    strict->state = strict->state == GW_STRICT_LAST_LF ? GW_STRICT_DONE : GW_STRICT_LINE;
    return 1;
}

static size_t
scan_part(struct gw_strict *strict, const struct gw_strict_limits *limits, char *bytes, size_t n,
          const char **why)
{
    switch (strict->state) {
    case GW_STRICT_TARGET:
        return scan_target(strict, limits, bytes, n, why);
    case GW_STRICT_VERSION:
        return scan_version(strict, bytes, n, why);
    case GW_STRICT_LINE:
        return scan_line(strict, limits, bytes, why);
    case GW_STRICT_NAME:
        return scan_name(strict, bytes, n, why);
    case GW_STRICT_VALUE:
        return scan_value(strict, bytes, n, why);
    default:
        return scan_lf(strict, bytes, why);
    }
}

size_t
gw_strict_scan(struct gw_strict *strict, const struct gw_strict_limits *limits, char *bytes,
               size_t n, const char **why)
{
    size_t at = 0, most = left(limits->bytes, strict->bytes);
    size_t fits = n < most ? n : most;

    *why = NULL;
    while (at < fits && strict->state != GW_STRICT_DONE && *why == NULL)
        at += scan_part(strict, limits, bytes + at, fits - at, why);
    strict->bytes += (uint32_t)at;
    if (*why == NULL && strict->state != GW_STRICT_DONE && fits < n) {
        strict->over = GW_STRICT_HEAD_TOO_LARGE;
        *why = too_large;
    }
    return at;
}

/* ---- values ---- */

static bool
port_ok(const char *port)
{
    return port[strspn(port, "0123456789")] == '\0';
}

bool
gw_host_ok(const char *host)
{
    static const char name[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                               "-._~!$&'()*+,;=";
    const char *at = host;

    if (*at == '[') { /* an IP literal */
        size_t n = strspn(at + 1, "0123456789abcdefABCDEF:.vV");

        if (n < 2 || at[1 + n] != ']')
            return false;
        at += n + 2;
    } else {
        for (;; at += 3) {
            at += strspn(at, name);
            if (*at != '%')
                break;
            if (!isxdigit((unsigned char)at[1]) || !isxdigit((unsigned char)at[2]))
                return false;
        }
    }
    return *at == '\0' || (*at == ':' && port_ok(at + 1));
}

bool
gw_list_has(const char *list, const char *token)
{
    size_t n = strlen(token);

    while (*list != '\0') {
        size_t part;

        list += strspn(list, ", \t");
        part = strcspn(list, ", \t");
        if (part == n && strncasecmp(list, token, n) == 0)
            return true;
        list += part;
    }
    return false;
}
