/* logs.h: the logs of functions on disk: written twice a second and when the gateway ends, bounded
 * per function and for all; and read. What a crash of the gateway loses is half a second of lines.
 */
#ifndef GATEWAY_LOGS_H
#define GATEWAY_LOGS_H

#include "log_line.h"
#include "loop.h"

struct gw_function;

/* On the main loop, before it runs, after the functions were loaded. most: bytes on disk per
 * function; 0: nothing is written. budget: bytes of all functions. */
void gw_logs_start(struct gw *gw, int64_t most, int64_t budget);
/* After the main loop has ended. */
void gw_logs_last(struct gw *gw);

/* A request for the last lines of a function's log. The caller keeps it until `done` was called, on
 * the main loop with the lock held: text is from malloc, or NULL if the function is gone or there
 * is no memory; chunks from number `next` on are not in it. */
struct gw_logs_read {
    char name[LIMIT_NAME + 1];
    struct log_filter filter;
    size_t lines;
    void (*done)(struct gw_logs_read *read, char *text, size_t len, uint64_t next);
};

void gw_logs_read(struct gw *gw, struct gw_logs_read *read);

#endif
