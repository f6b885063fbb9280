/* cors.h: calls from pages of other origins (the Fetch standard, 3.2: the CORS protocol). */
#ifndef GATEWAY_CORS_H
#define GATEWAY_CORS_H

struct gw_conn;

enum gw_cors {
    GW_CORS_CALL,      /* a call like any other; conn->extra has what its answer needs */
    GW_CORS_PREFLIGHT, /* the platform answers it; conn->extra as above */
    GW_CORS_REFUSED    /* a preflight of an origin that is not allowed */
};

/* Looks at the current request. origins: the function's setting, "" for none: then every request is
 * a call, and the browser keeps its answer from pages of other origins. */
enum gw_cors gw_cors_check(struct gw_conn *conn, const char *origins);

#endif
