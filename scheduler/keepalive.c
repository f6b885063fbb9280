/* keepalive.c: how long an idle instance is kept, from the times that its function was idle before:
 * the hybrid histogram policy of Shahrad et al., "Serverless in the Wild" (USENIX ATC 2020),
 * section 4.2, on a logarithmic scale. If calls come at long, regular intervals, the instance is
 * ended at once, and a new one is made shortly before the next call is expected. If the histogram
 * shows no pattern, the time is fixed.
 */
#include "keepalive.h"

#include <string.h>

#define UNIT_NS  INT64_C(250000000)
#define SAMPLES  8                    /* with fewer, there is no pattern */
#define AGEING   4096                 /* samples after which the old ones count half */
#define HEAD     5                    /* percentile */
#define TAIL     99                   /* percentile */
#define WORTH_NS INT64_C(30000000000) /* shorter gaps do not justify a second start */
#define SPREAD_LEAST                                                                               \
    2 /* coefficient of variation of the counts below which there is no pattern                    \
       */

/* Four buckets for each doubling of the time, from 250 ms to 4 h. */
static unsigned
bucket_of(int64_t idle_ns)
{
    uint64_t units = (uint64_t)(idle_ns / UNIT_NS);
    unsigned top;

    if (units < 4)
        return (unsigned)units;
    top = 63u - (unsigned)__builtin_clzll(units);
    return 4 * (top - 1) + (unsigned)((units >> (top - 2)) & 3);
}

static int64_t
lower_bound(unsigned bucket)
{
    if (bucket < 4)
        return bucket * UNIT_NS;
    return (int64_t)(4 + bucket % 4) * (INT64_C(1) << (bucket / 4 - 1)) * UNIT_NS;
}

void
sch_idle_record(struct sch_idle_times *times, int64_t idle_ns)
{
    unsigned bucket = bucket_of(idle_ns > 0 ? idle_ns : 0);

    if (times->total >= AGEING) {
        times->total = times->beyond /= 2;
        for (unsigned i = 0; i < SCH_IDLE_BUCKETS; i++)
            times->total += times->counts[i] /= 2;
    }
    times->total++;
    if (bucket < SCH_IDLE_BUCKETS)
        times->counts[bucket]++;
    else
        times->beyond++;
}

static unsigned
percentile(const struct sch_idle_times *times, unsigned percent)
{
    uint32_t inside = times->total - times->beyond, seen = 0;
    uint32_t rank = (inside * percent + 99) / 100;

    for (unsigned i = 0; i < SCH_IDLE_BUCKETS; i++) {
        seen += times->counts[i];
        if (seen >= rank && seen > 0)
            return i;
    }
    return SCH_IDLE_BUCKETS - 1;
}

/* Whether the counts are concentrated: their variance is at least SPREAD_LEAST^2 times the square
 * of their mean. */
static bool
shows_a_pattern(const struct sch_idle_times *times)
{
    uint64_t inside = times->total - times->beyond, squares = 0;

    if (times->total < SAMPLES || times->beyond * 2 > times->total)
        return false;
    for (unsigned i = 0; i < SCH_IDLE_BUCKETS; i++)
        squares += (uint64_t)times->counts[i] * times->counts[i];
    return squares * SCH_IDLE_BUCKETS >= (1 + SPREAD_LEAST * SPREAD_LEAST) * inside * inside;
}

struct sch_keep
sch_keep_plan(const struct sch_idle_times *times)
{
    struct sch_keep plan = {.keep_ns = SCH_KEEP_NS};
    int64_t head_ns;

    if (!shows_a_pattern(times))
        return plan;
    /* a margin of a tenth on either side, as in the paper */
    head_ns = lower_bound(percentile(times, HEAD)) / 10 * 9;
    plan.keep_ns = lower_bound(percentile(times, TAIL) + 1) / 10 * 11;
    if (plan.keep_ns < SCH_KEEP_LEAST_NS)
        plan.keep_ns = SCH_KEEP_LEAST_NS;
    if (head_ns >= WORTH_NS)
        plan.prewarm_ns = head_ns;
    return plan;
}
