/* fields.c: the table of fields, and the syntax of names and values. */
#include "fields.h"

#include <stdint.h>
#include <string.h>
#include <strings.h>

/* All fields that are not FIELD_FREE. */
#define FIELDS(X)                                                                                  \
    X("Connection", FIELD_PLATFORM)                                                                \
    X("Keep-Alive", FIELD_PLATFORM)                                                                \
    X("Proxy-Connection", FIELD_PLATFORM)                                                          \
    X("Transfer-Encoding", FIELD_PLATFORM)                                                         \
    X("TE", FIELD_PLATFORM)                                                                        \
    X("Trailer", FIELD_PLATFORM)                                                                   \
    X("Upgrade", FIELD_PLATFORM)                                                                   \
    X("X-Call-Id", FIELD_PLATFORM)                                                                 \
    X("Server-Timing", FIELD_PLATFORM)                                                             \
    X("X-Memory-Peak", FIELD_PLATFORM)                                                             \
    X("X-Memory-Limit", FIELD_PLATFORM)                                                            \
    X("Content-Length", FIELD_LENGTH)                                                              \
    X("Content-Type", FIELD_TYPE)                                                                  \
    X("Date", FIELD_DATE)

#define ROW(name, kind) {name, sizeof(name) - 1, kind},
#define BIT(name, kind) | UINT64_C(1) << (sizeof(name) - 1)

static const struct {
    const char *name;
    size_t len;
    enum field_kind kind;
} rows[] = {FIELDS(ROW)};

static const uint64_t lengths = 0 FIELDS(BIT);

enum { TOKEN = 1, VALUE = 2 };

static const unsigned char letters[256] = {
    ['\t'] = VALUE,
    [' '] = VALUE,
    ['!'] = TOKEN | VALUE,
    ['"'] = VALUE,
    ['#' ... '\''] = TOKEN | VALUE,
    ['(' ... ')'] = VALUE,
    ['*' ... '+'] = TOKEN | VALUE,
    [','] = VALUE,
    ['-' ... '.'] = TOKEN | VALUE,
    ['/'] = VALUE,
    ['0' ... '9'] = TOKEN | VALUE,
    [':' ... '@'] = VALUE,
    ['A' ... 'Z'] = TOKEN | VALUE,
    ['[' ... ']'] = VALUE,
    ['^' ... 'z'] = TOKEN | VALUE,
    ['{'] = VALUE,
    ['|'] = TOKEN | VALUE,
    ['}'] = VALUE,
    ['~'] = TOKEN | VALUE,
    [0x80 ... 0xff] = VALUE,
};

enum field_kind
field_kind(const char *name, size_t n)
{
    if (n >= 64 || (lengths >> n & 1) == 0)
        return FIELD_FREE;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (rows[i].len == n && strncasecmp(rows[i].name, name, n) == 0)
            return rows[i].kind;
    return FIELD_FREE;
}

bool
field_is_for_proxy(const char *name, size_t n)
{
    static const char *const prefixes[] = {"X-Accel-", "X-Sendfile", "X-LIGHTTPD-"};

    if (n < 8 || (name[0] | 0x20) != 'x' || name[1] != '-')
        return false;
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++)
        if (n >= strlen(prefixes[i]) && strncasecmp(name, prefixes[i], strlen(prefixes[i])) == 0)
            return true;
    return false;
}

bool
field_seen(unsigned seen, enum field_kind kind)
{
    return (seen >> kind & 1) != 0;
}

bool
field_count(unsigned *seen, enum field_kind kind)
{
    if (kind >= FIELD_TYPE && field_seen(*seen, kind))
        return false;
    *seen |= 1u << kind;
    return true;
}

static bool
all_of(const char *bytes, size_t n, unsigned what)
{
    for (size_t i = 0; i < n; i++)
        if ((letters[(unsigned char)bytes[i]] & what) == 0)
            return false;
    return true;
}

bool
field_name_ok(const char *name, size_t n)
{
    return n > 0 && all_of(name, n, TOKEN);
}

bool
field_value_ok(const char *value, size_t n)
{
    return all_of(value, n, VALUE);
}
