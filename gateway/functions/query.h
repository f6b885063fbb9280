/* query.h: parses the name-value pairs of a request's query. */
#ifndef GATEWAY_QUERY_H
#define GATEWAY_QUERY_H

#include <stdint.h>

#define GW_QUERY_FORM "names and values, percent-encoded"

/* Takes the next pair off *query, which may be NULL, and decodes it once, '+' as a space. A name
 * without '=' has the value "". Returns 1 with *name and *value, which the caller frees; 0 at the
 * end; -EINVAL for an invalid escape or an encoded NUL; -ENOMEM. */
int gw_query_next(const char **query, char **name, char **value);

/* Parses an unsigned whole number of digits only, within the bounds. Returns 0 or -EINVAL. */
int gw_query_number(const char *text, int64_t least, int64_t most, int64_t *number);

#endif
