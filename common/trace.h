/* trace.h: a call that is traced, on its way from the gateway to the exporter: messages of a
 * SOCK_SEQPACKET socket, each of some records. Both ends are of one build and one host.
 */
#ifndef COMMON_TRACE_H
#define COMMON_TRACE_H

#include <stdint.h>

#include "limits.h"

#define TRACE_ID   16
#define TRACE_SPAN 8

/* Times are ns; a duration of 0 is of a step that did not happen. Texts end with a NUL. */
struct trace_record {
    uint8_t trace_id[TRACE_ID];
    uint8_t parent[TRACE_SPAN]; /* the client's span; all zero: none */
    uint8_t call[TRACE_SPAN];   /* the span of the whole call */
    uint8_t run[TRACE_SPAN];    /* that of the function, which is the parent of its own spans */
    uint64_t arrived_ns;        /* since 1970 */
    uint64_t wait_ns, cold_ns;  /* until the instance began; of it, for its start */
    uint64_t run_ns, total_ns;
    uint16_t status; /* of HTTP; 0: there was no response */
    char method[LIMIT_METHOD + 1];
    char function[LIMIT_NAME + 1];
    char call_id[LIMIT_CALL_ID + 1];
    char code[32]; /* of the platform's problem; "": none */
};

#define TRACE_RECORDS 64 /* most of one message */

#endif
