/* memory_use.h: what the calls of a function have used of their instance's memory, and the limit
 * that follows from it. All figures are bytes of the instance's control group, which include what
 * the instance takes without a call (`overhead`).
 *
 * A sample is the kernel's high-water mark of one instance over one call, or over several that ran
 * without a pause for a look between them.
 */
#ifndef GATEWAY_MEMORY_USE_H
#define GATEWAY_MEMORY_USE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "histogram.h"
#include "statistics.h"

struct memory_use {
    uint32_t version; /* that the samples are of */
    bool kept_high;   /* this kernel cannot reset the mark: it is of the instance's whole life */
    uint64_t calls;   /* that the samples cover */
    uint64_t alone;   /* samples of a single call */
    int64_t since_ms, until_ms; /* since 1970 */
    int64_t kept_ms;            /* until_ms of what is in the state folder */
    int64_t limit;              /* bytes: that of the function, when it was kept */
    struct histogram peaks;
    double overhead; /* mean of instances that were ready and had served no call; 0: not known */
    uint64_t overhead_count;
    /* the last samples of single calls: x is the length of the body, y the peak */
    struct point by_body[STATISTICS_POINTS];
    uint64_t by_body_count;
    uint64_t death_limit; /* the largest limit at which the kernel killed one; 0: none */
    uint64_t death_calls; /* `calls` at that time */
    uint64_t deaths;      /* since first_death_calls; 0: none, or they are rare or of the past */
    uint64_t first_death_calls; /* `calls` at the first of them */
    int64_t hour;               /* since 1970; of hours[hour % 24] */
    uint32_t hours[24];         /* most instances at a time */
};

enum memory_finding {
    MEMORY_INSUFFICIENT_DATA,
    MEMORY_OPTIMIZED,
    MEMORY_OVER_PROVISIONED,
    MEMORY_UNDER_PROVISIONED
};

struct memory_advice {
    enum memory_finding finding;
    uint64_t memory; /* the limit to set; 0: not known */
    uint64_t need;   /* what all but the worst 0.1 % of the calls stayed within; 0: not known */
    const char *confidence; /* "none", "low", "medium", "high" */
    int64_t saves;          /* bytes, over the most instances of the last day; below 0: costs */
    char reason[320];
};

/* Samples of another version than before replace those. limit: the instance's. body: its length, or
 * -1 if several calls are covered. */
void memory_use_add(struct memory_use *use, uint32_t version, uint64_t limit, uint64_t peak,
                    uint32_t calls, int64_t body, int64_t now_ms);
void memory_use_fresh(struct memory_use *use, uint64_t bytes);
void memory_use_died(struct memory_use *use, uint32_t version, uint64_t limit);
/* Measured calls of this version since the kernel killed one last. */
uint64_t memory_use_settled(const struct memory_use *use);
void memory_use_instances(struct memory_use *use, uint32_t instances, int64_t now_ms);

/* The advice for a function with this limit.
 *
 * need: q99.9 of the samples, or their maximum while there are fewer than 1,000. The margin is
 * clamp(q99.9 - q99, 5 %, 8 %) * (1 + 100 / n): the more the tail spreads and the fewer samples
 * there are, the more. The result is rounded up to 64 KiB. */
void memory_advise(const struct memory_use *use, uint64_t limit, struct memory_advice *advice);
const char *memory_finding_name(enum memory_finding finding);

/* What a call's peak is by the length of its body. False if it does not follow it. */
struct memory_by_body {
    double base, per_byte, correlation;
    int64_t largest_body; /* that the limit can take */
};
bool memory_by_body(const struct memory_use *use, uint64_t limit, struct memory_by_body *out);

/* "cgroup" or "sampled". */
const char *memory_use_source(const struct memory_use *use);

/* For the state folder, and back; false if it is none. */
json_t *memory_use_json(const struct memory_use *use);
bool memory_use_from_json(struct memory_use *use, json_t *json);

#endif
