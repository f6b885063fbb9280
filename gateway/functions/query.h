/* query.h: the pairs of a request's query, for all who read one. */
#ifndef GATEWAY_QUERY_H
#define GATEWAY_QUERY_H

#include <stdint.h>

#define GW_QUERY_FORM "names and values, percent-encoded"

/* Takes the next pair off *query (which may be NULL), decoded once, '+' as a blank; a bare
 * name has the value "". 1: *name and *value are the caller's to free; 0: there is no more;
 * -EINVAL: a bad escape, or one of NUL; -ENOMEM. */
int gw_query_next(const char **query, char **name, char **value);

/* A whole number in digits alone, within these bounds. 0, or -EINVAL. */
int gw_query_number(const char *text, int64_t least, int64_t most, int64_t *number);

#endif
