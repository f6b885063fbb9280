/* times.c: see times.h. */
#include "times.h"

#include <string.h>

/* R10, in ns; unit: of 10 of them is the first */
#define DECADE(unit)                                                                               \
    10 * (unit), 125 * (unit) / 10, 16 * (unit), 20 * (unit), 25 * (unit), 315 * (unit) / 10,      \
        40 * (unit), 50 * (unit), 63 * (unit), 80 * (unit)

#define US INT64_C(1000)

static const int64_t bounds[TIMES_BUCKETS] = {
    DECADE(US),           DECADE(10 * US),    DECADE(100 * US),
    DECADE(1000 * US),    DECADE(10000 * US), DECADE(100000 * US),
    DECADE(1000000 * US), 100000000 * US,     INT64_MAX,
};

/* The first bucket that may hold a time of so many bits: ten to a decade are three to a power of
 * two, so that the search has at most 4 steps. */
static unsigned
first_bucket(int bits)
{
    unsigned bucket = bits > 14 ? 3 * (unsigned)(bits - 14) : 0;

    return bucket < TIMES_BUCKETS - 1 ? bucket : TIMES_BUCKETS - 1;
}

unsigned
times_bucket(int64_t ns)
{
    unsigned b = ns > 0 ? first_bucket(64 - __builtin_clzll((uint64_t)ns)) : 0;

    while (bounds[b] < ns)
        b++;
    return b;
}

int64_t
times_bound(unsigned bucket)
{
    return bounds[bucket];
}

void
times_add(struct times *t, int64_t ns)
{
    t->count++;
    t->sum_ns += (uint64_t)(ns > 0 ? ns : 0);
    t->counts[times_bucket(ns)]++;
}

/* How many windows have passed since the one that is counted in; at most 2. */
static int
windows_passed(const struct recent_times *t, int64_t now_ns)
{
    int64_t passed = (now_ns - t->since_ns) / TIMES_WINDOW_NS;

    return passed > 2 ? 2 : (int)passed;
}

void
recent_times_add(struct recent_times *t, int64_t ns, int64_t now_ns)
{
    int passed = windows_passed(t, now_ns);

    if (passed > 0) {
        if (passed == 1)
            memcpy(t->counts[1], t->counts[0], sizeof t->counts[0]);
        else
            memset(t->counts[1], 0, sizeof t->counts[1]);
        memset(t->counts[0], 0, sizeof t->counts[0]);
        t->since_ns = now_ns;
    }
    t->counts[0][times_bucket(ns)]++;
}

double
recent_times_quantile(const struct recent_times *t, double share, int64_t now_ns)
{
    int passed = windows_passed(t, now_ns);
    uint64_t counts[TIMES_BUCKETS], total = 0;
    double seen = 0;

    for (unsigned b = 0; b < TIMES_BUCKETS; b++) {
        counts[b] = (passed < 2 ? t->counts[0][b] : 0) + (passed < 1 ? t->counts[1][b] : 0);
        total += counts[b];
    }
    for (unsigned b = 0; b < TIMES_BUCKETS; b++) {
        double from = b > 0 ? (double)bounds[b - 1] : 0;
        double to = b + 1 < TIMES_BUCKETS ? (double)bounds[b] : from;

        if (counts[b] > 0 && seen + (double)counts[b] >= share * (double)total)
            return from + (to - from) * (share * (double)total - seen) / (double)counts[b];
        seen += (double)counts[b];
    }
    return -1;
}
