/* histogram.h: counts of sizes in logarithmic buckets: 64 to each power of two, so that a bucket's
 * bounds differ by at most 1.6 %. From 64 KiB up; smaller sizes share the first bucket.
 */
#ifndef GATEWAY_HISTOGRAM_H
#define GATEWAY_HISTOGRAM_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define HISTOGRAM_LEAST_LOG2 16 /* 64 KiB */
#define HISTOGRAM_MOST_LOG2  44 /* 16 TiB; larger sizes count as that */
#define HISTOGRAM_PARTS      64
#define HISTOGRAM_BUCKETS    ((HISTOGRAM_MOST_LOG2 - HISTOGRAM_LEAST_LOG2) * HISTOGRAM_PARTS + 1)

/* All zero is an empty one. */
struct histogram {
    uint64_t total;
    uint64_t max; /* the largest size itself, in bytes */
    uint32_t counts[HISTOGRAM_BUCKETS];
};

unsigned histogram_bucket(uint64_t bytes);
/* The largest size of a bucket, in bytes. */
uint64_t histogram_bound(unsigned bucket);
/* n calls with that size. From HISTOGRAM_FULL calls on, all counts are halved first, so that what
 * has not been seen for long fades, and is gone at last. */
#define HISTOGRAM_FULL 32768
void histogram_add(struct histogram *h, uint64_t bytes, uint32_t n);
/* The smallest bucket bound that at least `share` of all are within; at most max. No more is
 * claimed than the number of calls allows: for n calls, a share above 1 - 1/n gives the max. 0
 * where it is empty. */
uint64_t histogram_quantile(const struct histogram *h, double share);
/* {"max", "buckets": [[bucket, count], …]}, and back: false if it is none. */
json_t *histogram_json(const struct histogram *h);
bool histogram_from_json(struct histogram *h, json_t *json);

#endif
