/* traceparent.h: the context of a trace, as the field traceparent carries it (W3C Trace Context,
 * level 1, version 00). Only where a collector is configured; else the field is passed on like any
 * other.
 */
#ifndef GATEWAY_TRACEPARENT_H
#define GATEWAY_TRACEPARENT_H

#include <stdbool.h>
#include <stdint.h>

#include "trace.h"

struct gw_conn;

/* Of a request. */
struct gw_trace {
    bool on;    /* it is traced */
    bool given; /* the client has said whether */
    bool twice; /* more than once: that is as good as never */
    uint8_t trace_id[TRACE_ID];
    uint8_t parent[TRACE_SPAN]; /* the client's span; all zero: none */
    uint8_t call[TRACE_SPAN];   /* the spans of the call and of the function's run */
    uint8_t run[TRACE_SPAN];
};

/* Reads "00-TRACE-PARENT-FLAGS". False if it is malformed: then it counts as absent. sampled: the
 * client traces. */
bool gw_traceparent_parse(const char *text, struct gw_trace *trace, bool *sampled);

/* A field traceparent of the request, which is taken out: the function gets the one of
 * gw_trace_begin. */
void gw_trace_take(struct gw_conn *conn, const char *value);
/* The fields are complete. Decides whether a request without the field is traced. True: the text of
 * the field that the function gets is in field, with a NUL; else it gets none. */
#define GW_TRACEPARENT 56
bool gw_trace_begin(struct gw_conn *conn, char field[GW_TRACEPARENT]);

#endif
