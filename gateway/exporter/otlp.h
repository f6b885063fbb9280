/* otlp.h: traced calls as an ExportTraceServiceRequest of OpenTelemetry (protobuf; the messages of
 * opentelemetry/proto/trace/v1/trace.proto, whose field numbers are in otlp.c).
 */
#ifndef GATEWAY_OTLP_H
#define GATEWAY_OTLP_H

#include <stdbool.h>
#include <stddef.h>

#include "trace.h"

/* Spans of one batch, encoded. All zero is an empty one. */
struct otlp {
    unsigned char *bytes; /* owned */
    size_t len, room;
    unsigned spans;
};

/* Adds the spans of a call: call, queue, cold start and run. False if there is no memory. */
bool otlp_add(struct otlp *batch, const struct trace_record *record);
/* The whole request, from malloc; NULL if there is no memory. host: the resource's host.name. */
unsigned char *otlp_request(const struct otlp *batch, const char *host, size_t *len);
void otlp_clear(struct otlp *batch);

#endif
