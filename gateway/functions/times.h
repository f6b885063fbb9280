/* times.h: counts of times in buckets, for metrics: ten to each decade (the Renard series R10),
 * from 10 us to 100 s, so that a quantile that is interpolated within a bucket is at most 13 % off.
 */
#ifndef GATEWAY_TIMES_H
#define GATEWAY_TIMES_H

#include <stdint.h>

#define TIMES_DECADES   7
#define TIMES_BUCKETS   (TIMES_DECADES * 10 + 2) /* the first: up to 10 us; the last: above 100 s */
#define TIMES_WINDOW_NS INT64_C(10000000000)

/* All zero is an empty one. */
struct times {
    uint64_t count, sum_ns;
    uint64_t counts[TIMES_BUCKETS];
};

/* The last one to two windows. All zero is an empty one. */
struct recent_times {
    int64_t since_ns;
    uint32_t counts[2][TIMES_BUCKETS]; /* of this window, and of the one before */
};

/* The bucket of a time: the first whose bound is not less. */
unsigned times_bucket(int64_t ns);
/* The largest time of a bucket, in ns; INT64_MAX for the last one. */
int64_t times_bound(unsigned bucket);
void times_add(struct times *t, int64_t ns);
void recent_times_add(struct recent_times *t, int64_t ns, int64_t now_ns);
/* What at least `share` (0 to 1) of the recent times are within, in ns. -1 if there are none. */
double recent_times_quantile(const struct recent_times *t, double share, int64_t now_ns);

#endif
