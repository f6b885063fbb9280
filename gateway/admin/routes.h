/* routes.h: the paths that operators and probes ask for: one table, for the requests and for the
 * documents made of it.
 */
#ifndef GATEWAY_ROUTES_H
#define GATEWAY_ROUTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gw_request;

enum gw_route_access { GW_OPEN, GW_OPEN_ON_ADMIN, GW_TOKEN };
enum gw_parameters {
    GW_NO_PARAMETERS,
    GW_DEPLOY_PARAMETERS,
    GW_LOG_PARAMETERS,
    GW_EVENT_PARAMETERS
};

struct gw_route {
    const char *path;   /* the first '*' matches a function's name, the second a version */
    const char *method; /* GET also serves HEAD */
    enum gw_route_access access;
    void (*handle)(struct gw_request *req);
    size_t most; /* bytes of the body */
    /* what it is, for openapi.c; NULL: it is not described */
    const char *id, *tag, *text;
    enum gw_parameters parameters;
    const char *body;    /* "type Schema", separated by commas; NULL: none */
    const char *answers; /* "status type Schema", separated by commas */
    uint64_t codes;      /* bits of enum gw_code; besides those that all of its kind have */
};

extern const struct gw_route gw_routes[];
extern const size_t gw_routes_count;

/* What '*' matched: within the path, not ended by a NUL. NULL: there was no '*'. */
struct gw_route_parts {
    const char *name, *version;
    size_t name_len, version_len;
};

/* The route, or NULL. *known: the path exists, with another method. */
const struct gw_route *gw_route_find(const char *path, const char *method, bool *known,
                                     struct gw_route_parts *parts);
/* The path with these names in the places of its '*'. */
void gw_route_path(const struct gw_route *route, const char *name, const char *version, char *path,
                   size_t n);
/* Formats "Allow: …" for a known path (RFC 9110, 10.2.1). */
void gw_route_allow(const char *path, char *field, size_t n);

#endif
