/* query.c: parses the name-value pairs of a query: see query.h. */
#include "query.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "units.h"

static int
hex(char c)
{
    const char *digits = "0123456789abcdef", *at;

    if (c >= 'A' && c <= 'F')
        c = (char)(c - 'A' + 'a');
    at = c != '\0' ? strchr(digits, c) : NULL;
    return at != NULL ? (int)(at - digits) : -1;
}

/* Decodes n bytes of a query into a new string. */
static int
decode(const char *text, size_t n, char **decoded)
{
    cleanup_free char *out = malloc(n + 1);
    char *to = out;

    if (out == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        if (text[i] == '%') {
            int high = n - i > 2 ? hex(text[i + 1]) : -1;
            int low = high >= 0 ? hex(text[i + 2]) : -1;

            if (low < 0 || high * 16 + low == 0)
                return -EINVAL;
            *to++ = (char)(high * 16 + low);
            i += 2;
        } else {
            *to++ = text[i] == '+' ? ' ' : text[i];
        }
    }
    *to = '\0';
    *decoded = take_ptr(out);
    return 0;
}

int
gw_query_next(const char **query, char **name, char **value)
{
    cleanup_free char *first = NULL, *second = NULL;
    const char *pair;
    size_t n, key;
    int status;

    if (*query == NULL)
        return 0;
    *query += strspn(*query, "&");
    pair = *query;
    n = strcspn(pair, "&");
    if (n == 0)
        return 0;
    *query += n;
    key = strcspn(pair, "=&");
    status = decode(pair, key, &first);
    if (status == 0)
        status = key < n ? decode(pair + key + 1, n - key - 1, &second) : decode("", 0, &second);
    if (status < 0)
        return status;
    *name = take_ptr(first);
    *value = take_ptr(second);
    return 1;
}

int
gw_query_number(const char *text, int64_t least, int64_t most, int64_t *number)
{
    int64_t value;

    if (text[strspn(text, "0123456789")] != '\0' || units_parse_size(text, &value) < 0 ||
        value < least || value > most)
        return -EINVAL;
    *number = value;
    return 0;
}
