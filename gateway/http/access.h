/* access.h: the access log: a line for each request, in STATE/access.log. Off by default. Lines are
 * collected per loop and written by the thread pool at least once a second; a disk that is too slow
 * costs lines, which are counted and said, but no request any time.
 */
#ifndef GATEWAY_ACCESS_H
#define GATEWAY_ACCESS_H

#include <stdbool.h>

#include "err.h"

struct gw_conn;
struct gw_loop;

/* In the order of the choices of the option access_log. */
enum gw_access_format {
    GW_ACCESS_OFF,
    GW_ACCESS_COMMON,   /* the Common Log Format of the NCSA and Apache */
    GW_ACCESS_COMBINED, /* the same with Referer and User-Agent */
    GW_ACCESS_JSON
};

/* Opens the file, or opens it anew: so it can be rotated by renaming it and a reload. */
int gw_access_open(const char *path, struct hearth_err *err);
/* The head of the request is complete. */
void gw_access_begin(struct gw_conn *conn);
/* The response is complete, or the connection closes without one. */
void gw_access_end(struct gw_conn *conn);
/* When the gateway ends, on that loop: writes what was collected. False: it is still being written.
 */
bool gw_access_last(struct gw_loop *loop);

#endif
