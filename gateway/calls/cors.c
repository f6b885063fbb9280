/* cors.c: see cors.h. */
#include "cors.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "connection.h"
#include "loop.h"

#define MAX_AGE_S 600 /* how long a browser keeps the answer to a preflight */

/* Adds a field to the answer, if there is room for it. */
static void add_field(struct gw_conn *conn, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static void
add_field(struct gw_conn *conn, const char *fmt, ...)
{
    struct gw_buffer *extra = conn->extra;
    int n;
    va_list ap;

    if (extra == NULL)
        extra = conn->extra = gw_pool_take(&conn->loop->pool, GW_EXTRA_MOST);
    if (extra == NULL)
        return;
    va_start(ap, fmt);
    n = vsnprintf((char *)extra->bytes + extra->len, GW_EXTRA_MOST - extra->len, fmt, ap);
    va_end(ap);
    if (n > 0 && (size_t)n < GW_EXTRA_MOST - extra->len)
        extra->len += (uint32_t)n;
}

enum gw_cors
gw_cors_check(struct gw_conn *conn, const char *origins)
{
    const char *origin = conn->origins > 0 ? gw_conn_field(conn, "Origin") : NULL;
    const char *method, *fields;
    bool preflight, any;

    if (origins[0] == '\0')
        return GW_CORS_CALL;
    any = gw_list_has(origins, "*");
    if (!any)
        add_field(conn, "Vary: Origin\r\n"); /* a cache must not mix the answers up */
    if (origin == NULL)
        return GW_CORS_CALL;
    method = gw_conn_field(conn, "Access-Control-Request-Method");
    preflight = method != NULL && strcmp(conn->method, "OPTIONS") == 0;
    if (!any && !gw_list_has(origins, origin))
        return preflight ? GW_CORS_REFUSED : GW_CORS_CALL;
    add_field(conn, "Access-Control-Allow-Origin: %s\r\n", any ? "*" : origin);
    if (!preflight) {
        add_field(conn, "Access-Control-Expose-Headers: *\r\n");
        return GW_CORS_CALL;
    }
    add_field(conn, "Access-Control-Allow-Methods: %s\r\nAccess-Control-Max-Age: %d\r\n", method,
              MAX_AGE_S);
    fields = gw_conn_field(conn, "Access-Control-Request-Headers");
    if (fields != NULL)
        add_field(conn, "Access-Control-Allow-Headers: %s\r\n", fields);
    return GW_CORS_PREFLIGHT;
}
