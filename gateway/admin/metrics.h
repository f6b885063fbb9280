/* metrics.h: the metrics in Prometheus' text format 0.0.4. */
#ifndef GATEWAY_METRICS_H
#define GATEWAY_METRICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct gw;

/* From malloc; NULL if there is no memory. Call with the lock held. */
char *gw_metrics_text(struct gw *gw, size_t *len);
/* For the documents: a table in Markdown. */
void gw_metrics_print_table(FILE *out);
/* The shares of the last 10 s in which some and all tasks waited for memory, 0 to 1 (PSI). fd:
 * /proc/pressure/memory, or -1. False if this kernel does not say. */
bool gw_memory_pressure(int fd, double *some, double *full);

#endif
