/* tracing.h: traced calls, on their way to the exporter. They are collected per loop and sent at
 * least once a second; what the socket does not take is dropped and counted.
 */
#ifndef GATEWAY_TRACING_H
#define GATEWAY_TRACING_H

struct gw_call;
struct gw_loop;

/* A traced call has ended. */
void gw_tracing_add(struct gw_call *call);
/* When the gateway ends, for each loop: sends what was collected. */
void gw_tracing_last(struct gw_loop *loop);

#endif
