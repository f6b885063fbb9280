/* pq.c: PostgreSQL's client library: it parses and quotes, and a connection fails with its
 * error.
 *
 * package: libpq-dev
 * libs: pq
 * pkgconfig: libpq
 * expect: connection: failed
 */
#include <hearth.h>
#include <libpq-fe.h>
#include <string.h>

int
hearth_handle(hearth_call *call)
{
    size_t n;
    const char *body = hearth_body(call, &n);
    char *quoted = hearth_alloc(call, 2 * n + 1), *error = NULL;
    PQconninfoOption *options;
    PGconn *c;
    int bad;

    if (quoted == NULL)
        return 1;
    PQescapeString(quoted, body, n);
    bad = hearth_printf(call, "quoted: '%s'\n", quoted);
    options = PQconninfoParse("postgresql://me@example.com:5433/db?sslmode=require", &error);
    for (PQconninfoOption *o = options; o != NULL && o->keyword != NULL; o++)
        if (o->val != NULL)
            bad |= hearth_printf(call, "%s=%s\n", o->keyword, o->val);
    PQconninfoFree(options);
    c = PQconnectdb("host=127.0.0.1 port=9 connect_timeout=1 user=me dbname=x");
    bad |= hearth_printf(call, "connection: %s\n",
                         PQstatus(c) == CONNECTION_BAD && *PQerrorMessage(c) != '\0' ? "failed"
                                                                                     : "made");
    PQfinish(c);
    return bad;
}
