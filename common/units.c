/* units.c: sizes and times as people write them. Nothing is rounded: "1.5G" is invalid, and so are
 * times that are not a whole number of milliseconds. */
#include "units.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

struct unit {
    const char *suffix;
    int64_t factor;
};

static const struct unit size_units[] = {
    {"", 1}, {"B", 1}, {"K", INT64_C(1) << 10}, {"M", INT64_C(1) << 20}, {"G", INT64_C(1) << 30},
};

/* a unit is required: 5 could be seconds or milliseconds */
static const struct unit time_units[] = {
    {"ms", 1},
    {"s", 1000},
    {"m", 60000},
    {"h", 3600000},
};

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

static int
take_digits(const char **at, int64_t *value)
{
    const char *from = *at;

    for (; **at >= '0' && **at <= '9'; (*at)++)
        if (__builtin_mul_overflow(*value, 10, value) ||
            __builtin_add_overflow(*value, **at - '0', value))
            return -ERANGE;
    return *at > from ? 0 : -EINVAL;
}

/* "1.5s" is valid: a whole number of milliseconds. */
static int
parse(const char *text, const struct unit *units, size_t n, bool decimals, int64_t *out)
{
    int64_t value = 0, parts = 1;
    const char *p = text;
    int status = take_digits(&p, &value);

    if (status == 0 && decimals && *p == '.') {
        const char *from = ++p;

        status = take_digits(&p, &value);
        for (; status == 0 && from < p; from++)
            status = __builtin_mul_overflow(parts, 10, &parts) ? -ERANGE : 0;
    }
    if (status < 0)
        return status;
    for (size_t i = 0; i < n; i++) {
        if (strcmp(p, units[i].suffix) != 0)
            continue;
        if (__builtin_mul_overflow(value, units[i].factor, &value))
            return -ERANGE;
        if (value % parts != 0)
            return -EINVAL;
        *out = value / parts;
        return 0;
    }
    return -EINVAL;
}

int
units_parse_size(const char *text, int64_t *bytes)
{
    return parse(text, size_units, COUNT(size_units), false, bytes);
}

int
units_parse_time(const char *text, int64_t *ms)
{
    if (strcmp(text, "0") == 0) { /* the one number that is the same in every unit */
        *ms = 0;
        return 0;
    }
    return parse(text, time_units, COUNT(time_units), true, ms);
}

static const char *
format(int64_t number, const struct unit *units, size_t count, char *buf, size_t n)
{
    const struct unit *best = &units[0];

    for (size_t i = 1; i < count && number != 0; i++)
        if (number % units[i].factor == 0)
            best = &units[i];
    (void)snprintf(buf, n, "%lld%s", (long long)(number / best->factor), best->suffix);
    return buf;
}

const char *
units_format_size(int64_t bytes, char *buf, size_t n)
{
    return format(bytes, size_units, COUNT(size_units), buf, n);
}

const char *
units_format_time(int64_t ms, char *buf, size_t n)
{
    return format(ms, time_units, COUNT(time_units), buf, n);
}
