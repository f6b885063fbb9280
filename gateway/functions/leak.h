/* leak.h: whether an instance keeps more and more memory from call to call.
 *
 * Memory is looked at in the same state each time: after a call, when what the call took of the
 * arena is free. Two series: the bytes that malloc has given out, as the worker notes them, which
 * are exact to the byte; and what the control group uses, by the kernel's account, which nobody can
 * misstate, but which the kernel counts in steps of up to 64 pages for each core, so it shows only
 * what leaks much.
 */
#ifndef GATEWAY_LEAK_H
#define GATEWAY_LEAK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "statistics.h"

#define LEAK_CALLS  400 /* before anything is said */
#define LEAK_POINTS 64  /* in a series */

/* All zero is an empty one. Where it is full, every second point goes, so that it always covers the
 * whole life of the instance. */
struct leak_series {
    struct point heap[LEAK_POINTS]; /* x: calls; y: bytes */
    struct point used[LEAK_POINTS];
    size_t count;
    uint64_t every; /* calls between two points */
};

enum leak_verdict { LEAK_UNKNOWN, LEAK_NONE, LEAK_SUSPECTED };

struct leak {
    enum leak_verdict verdict;
    double bytes_per_call;
    const char *source; /* "worker" or "cgroup": of the series that shows it */
};

/* Whether a point is wanted after so many calls. */
bool leak_series_wants(const struct leak_series *series, uint64_t calls);
/* One that is not after the last one is ignored. heap: as the worker says, so any number. */
void leak_series_add(struct leak_series *series, uint64_t calls, uint64_t heap, uint64_t used);

/* The slope is that of Theil and Sen. It is a leak if
 * - its 95 % confidence interval is above zero;
 * - the growth is clear: LEAK_CLEAR times the scatter around the line, since whoever looks again
 * and again meets every chance once;
 * - and does not fade: the last third grows at least LEAK_STEADY times as fast as the first. A
 * cache that fills with what it has not seen yet grows more and more slowly. One that fills at an
 * even pace for more than LEAK_CALLS calls is suspected until it is full. */
#define LEAK_CLEAR  2.0
#define LEAK_STEADY 0.93
struct leak leak_find(const struct leak_series *series);

#endif
