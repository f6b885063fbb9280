/* tuning.h: what calls under several memory limits say about the limit to choose. */
#ifndef GATEWAY_TUNING_H
#define GATEWAY_TUNING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TUNING_STEPS    16
#define TUNING_PAYLOADS 16
/* Calls of a step: each payload once, then more of them by their weights: at least TUNING_LEAST,
 * and until the coefficient of variation of their time is at most TUNING_CV; at most TUNING_MORE,
 * or one for each payload. */
#define TUNING_LEAST 4
#define TUNING_MORE  8
#define TUNING_CV    0.05
#define TUNING_CALLS 16 /* the larger of TUNING_MORE and TUNING_PAYLOADS */

/* One limit. */
struct tuning_step {
    int64_t memory;  /* bytes: the limit */
    bool success;    /* every call was answered, and well */
    const char *why; /* if not */
    unsigned calls;
    double run_ms[TUNING_CALLS]; /* the first one warms the instance up, and does not count */
    int64_t peak;                /* bytes: the most that a call used */
};

/* Whether there are enough calls. */
bool tuning_is_settled(const struct tuning_step *step, size_t payloads);
/* share of the calls took at most this long, in milliseconds; 0: there is none. */
double tuning_quantile(const struct tuning_step *step, double share);

/* Of the steps that succeeded; the words are those of AWS Lambda Power Tuning. */
struct tuning_picks {
    /* Bytes: the smallest of the steps' peaks, each of which is that of its largest call. Smallest,
     * since the kernel charges up to 64 pages at a time for each core: a peak is too large by that,
     * never too small. */
    int64_t need;
    int64_t works;    /* the smallest limit that succeeded, */
    int64_t fails;    /* and the largest that did not, for memory; 0: none */
    int64_t knee;     /* the smallest limit that is at most 5 % slower than the fastest one */
    int64_t cost;     /* the least memory * time, */
    int64_t speed;    /* the least time, */
    int64_t balanced; /* the least weight * cost + (1 - weight) * time, each over its largest */
};

/* False: no step succeeded. weight: 0 to 1. */
bool tuning_pick(const struct tuning_step *steps, size_t n, double weight,
                 struct tuning_picks *picks);

#endif
