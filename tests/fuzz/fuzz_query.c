/* fuzz_query.c: a request's query (gateway/functions/query.c), and settings in it: queries,
 * one after another, each ended by a NUL byte. */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "query.h"
#include "settings_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *
encode(char *to, const char *text)
{
    for (; *text != '\0'; text++)
        to += sprintf(to, "%%%02x", (unsigned char)*text);
    return to;
}

/* A pair that is encoded again is decoded to the same, and is the only one. */
static void
check_pair(const char *name, const char *value)
{
    char *query = malloc(3 * (strlen(name) + strlen(value)) + 4), *to = query;
    char *name_again, *value_again;
    const char *at = query;

    if (query == NULL)
        abort();
    *to++ = '&';
    to = encode(to, name);
    *to++ = '=';
    to = encode(to, value);
    *to++ = '&';
    *to = '\0';
    assert(gw_query_next(&at, &name_again, &value_again) == 1);
    assert(strcmp(name, name_again) == 0 && strcmp(value, value_again) == 0);
    free(name_again);
    free(value_again);
    assert(gw_query_next(&at, &name_again, &value_again) == 0);
    free(query);
}

static void
check_number(const char *text)
{
    static const int64_t bounds[][2] = {{0, 0}, {1, 1000}, {INT64_MIN, INT64_MAX}, {7, 6}};

    for (size_t i = 0; i < sizeof bounds / sizeof bounds[0]; i++) {
        int64_t number;

        if (gw_query_number(text, bounds[i][0], bounds[i][1], &number) < 0)
            continue;
        assert(number >= bounds[i][0] && number <= bounds[i][1]);
        assert(text[0] != '\0' && text[strspn(text, "0123456789")] == '\0');
        assert(number == strtoll(text, NULL, 10));
    }
}

/* All pairs of a query. */
static void
check_pairs(const char *query)
{
    const char *end = query + strlen(query);
    char *name, *value;
    int status;

    for (;;) {
        const char *from = query;

        status = gw_query_next(&query, &name, &value);
        assert(query >= from && query <= end);
        if (status != 1)
            break;
        assert(query > from && strlen(name) + strlen(value) <= (size_t)(query - from));
        check_pair(name, value);
        check_number(value);
        free(name);
        free(value);
    }
    assert(status == -EINVAL || (status == 0 && *query == '\0'));
}

static int
change(struct gw_settings *now, const char *part, size_t len, struct gw_bad_setting *bad)
{
    (void)len;
    check_pairs(part);
    return gw_settings_from_query(now, part, bad);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_parts(data, size, change);
    return 0;
}
