/* units.c: sizes and times as people write them. Whole numbers only: "1.5G" is
 * refused rather than rounded. */
#include "units.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct unit {
    const char *suffix;
    int64_t factor;
};

static const struct unit size_units[] = {
    {"", 1}, {"B", 1}, {"K", INT64_C(1) << 10}, {"M", INT64_C(1) << 20}, {"G", INT64_C(1) << 30},
};

static const struct unit time_units[] = {
    {"", 1}, {"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000},
};

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

static int
parse(const char *text, const struct unit *units, size_t n, int64_t *out)
{
    int64_t value = 0;
    const char *p = text;

    for (; *p >= '0' && *p <= '9'; p++) {
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, *p - '0', &value))
            return -ERANGE;
    }
    if (p == text)
        return -EINVAL;
    for (size_t i = 0; i < n; i++) {
        if (strcmp(p, units[i].suffix) != 0)
            continue;
        if (__builtin_mul_overflow(value, units[i].factor, &value))
            return -ERANGE;
        *out = value;
        return 0;
    }
    return -EINVAL;
}

static const char *
format(int64_t value, const struct unit *units, size_t n, char *buf, size_t size)
{
    const struct unit *best = &units[0];

    for (size_t i = 1; i < n && value != 0; i++)
        if (value % units[i].factor == 0)
            best = &units[i];
    (void)snprintf(buf, size, "%lld%s", (long long)(value / best->factor), best->suffix);
    return buf;
}

int
units_parse_size(const char *text, int64_t *bytes)
{
    return parse(text, size_units, COUNT(size_units), bytes);
}

int
units_parse_time(const char *text, int64_t *ms)
{
    return parse(text, time_units, COUNT(time_units), ms);
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
