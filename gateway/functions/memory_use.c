/* memory_use.c: see memory_use.h. */
#include "memory_use.h"

#include <stdio.h>
#include <string.h>

#define LEAST_SAMPLES 20 /* for any advice */
#define ROUND_UP      UINT64_C(65536)
#define CORRELATED    0.7 /* a peak follows its body from here on */
#define MS_PER_HOUR   INT64_C(3600000)
#define AFTER_DEATH   200 /* calls without a death, after which the peaks are believed again */

static void
begin_version(struct memory_use *use, uint32_t version)
{
    if (use->version == version)
        return;
    use->version = version;
    use->calls = use->alone = use->by_body_count = 0;
    use->since_ms = 0;
    use->death_limit = use->death_calls = use->deaths = use->first_death_calls = 0;
    memset(&use->peaks, 0, sizeof use->peaks);
}

/* The calls that died are not among the peaks. So those are believed only where they show that what
 * killed does not come again, or in less than 0.1 % of the calls; or where the limit is higher. */
static void
forget_deaths(struct memory_use *use, uint64_t limit)
{
    bool higher = use->death_limit > 0 && limit > use->death_limit;

    if (higher || use->calls - use->first_death_calls >= 1000 * use->deaths)
        use->deaths = 0;
    if (use->death_limit > 0 && use->deaths <= 1 && memory_use_settled(use) >= AFTER_DEATH &&
        use->peaks.max < use->death_limit)
        use->death_limit = 0;
}

void
memory_use_add(struct memory_use *use, uint32_t version, uint64_t limit, uint64_t peak,
               uint32_t calls, int64_t body, int64_t now_ms)
{
    begin_version(use, version);
    if (use->since_ms == 0 || now_ms < use->since_ms) /* the clock was set back */
        use->since_ms = now_ms;
    use->until_ms = now_ms;
    use->calls += calls;
    histogram_add(&use->peaks, peak, 1);
    forget_deaths(use, limit);
    if (calls != 1 || body < 0)
        return;
    use->alone++;
    use->by_body[use->by_body_count++ % STATISTICS_POINTS] =
        (struct point){.x = (double)body, .y = (double)peak};
}

void
memory_use_fresh(struct memory_use *use, uint64_t bytes)
{
    use->overhead_count++;
    use->overhead += ((double)bytes - use->overhead) /
                     (double)(use->overhead_count < 32 ? use->overhead_count : 32);
}

void
memory_use_died(struct memory_use *use, uint32_t version, uint64_t limit)
{
    begin_version(use, version);
    if (limit > use->death_limit)
        use->death_limit = limit;
    use->death_calls = use->calls;
    if (use->deaths++ == 0)
        use->first_death_calls = use->calls;
}

uint64_t
memory_use_settled(const struct memory_use *use)
{
    return use->calls - use->death_calls;
}

void
memory_use_instances(struct memory_use *use, uint32_t instances, int64_t now_ms)
{
    int64_t hour = now_ms / MS_PER_HOUR;

    if (hour - use->hour >= 24 || hour < use->hour)
        memset(use->hours, 0, sizeof use->hours);
    else
        while (use->hour < hour)
            use->hours[++use->hour % 24] = 0;
    use->hour = hour;
    if (instances > use->hours[hour % 24])
        use->hours[hour % 24] = instances;
}

static uint32_t
most_instances(const struct memory_use *use)
{
    uint32_t most = 1;

    for (unsigned i = 0; i < 24; i++)
        if (use->hours[i] > most)
            most = use->hours[i];
    return most;
}

static double
margin(const struct histogram *peaks, uint64_t need)
{
    double tail = (double)(need - histogram_quantile(peaks, 0.99)) / (double)need;

    if (tail < 0.05)
        tail = 0.05;
    if (tail > 0.08)
        tail = 0.08;
    return tail * (1 + 100 / (double)peaks->total);
}

/* A limit that leaves less than a little is too small; one that was advised stays right when the
 * next peaks are slightly higher. */
static void
find(struct memory_advice *advice, uint64_t limit)
{
    if (advice->need + advice->need / 50 > limit)
        advice->finding = MEMORY_UNDER_PROVISIONED;
    else if ((double)advice->memory < 0.8 * (double)limit)
        advice->finding = MEMORY_OVER_PROVISIONED;
    else
        advice->finding = MEMORY_OPTIMIZED;
}

static void
advise_after_death(const struct memory_use *use, struct memory_advice *advice)
{
    advice->finding = MEMORY_UNDER_PROVISIONED;
    advice->memory = 2 * use->death_limit;
    advice->need = 0;
    advice->confidence = "low";
    if (use->deaths > 1)
        (void)snprintf(advice->reason, sizeof advice->reason,
                       "the kernel killed instances %llu times in %llu calls, at a limit of %llu "
                       "bytes, so the need is unknown: try twice that",
                       (unsigned long long)use->deaths,
                       (unsigned long long)use->calls - use->first_death_calls + use->deaths,
                       (unsigned long long)use->death_limit);
    else
        (void)snprintf(advice->reason, sizeof advice->reason,
                       "the kernel killed an instance at its limit of %llu bytes, so the need is "
                       "unknown: try twice that, and look again after %d calls",
                       (unsigned long long)use->death_limit, AFTER_DEATH);
}

void
memory_advise(const struct memory_use *use, uint64_t limit, struct memory_advice *advice)
{
    const uint64_t least = UINT64_C(4) << 20; /* of the setting `memory`: scheduler/settings.c */
    uint64_t n = use->peaks.total, wanted;
    double share;

    *advice = (struct memory_advice){.finding = MEMORY_INSUFFICIENT_DATA, .confidence = "none"};
    if (use->death_limit > 0 && (limit <= use->death_limit || n < LEAST_SAMPLES)) {
        advise_after_death(use, advice);
    } else if (n < LEAST_SAMPLES) {
        (void)snprintf(advice->reason, sizeof advice->reason,
                       "%llu measurements so far; advice begins with %d", (unsigned long long)n,
                       LEAST_SAMPLES);
        return;
    } else {
        advice->need = histogram_quantile(&use->peaks, 0.999);
        share = margin(&use->peaks, advice->need);
        wanted = (uint64_t)((double)advice->need * (1 + share));
        if (use->death_limit > 0 && wanted < use->death_limit + use->death_limit / 10)
            wanted = use->death_limit + use->death_limit / 10;
        if (use->death_limit > 0 && wanted < use->peaks.max + use->peaks.max / 20)
            wanted = use->peaks.max + use->peaks.max / 20;
        wanted = (wanted + ROUND_UP - 1) / ROUND_UP * ROUND_UP;
        advice->memory = wanted > least ? wanted : least;
        advice->confidence = n < 100 ? "low" : (n < 1000 ? "medium" : "high");
        find(advice, limit);
        (void)snprintf(advice->reason, sizeof advice->reason,
                       "%s of %llu calls stayed within %llu bytes (the largest peak was %llu); "
                       "%.0f %% more is %llu%s; the limit is %llu",
                       n < 1000 ? "all" : "99.9 %", (unsigned long long)use->calls,
                       (unsigned long long)advice->need, (unsigned long long)use->peaks.max,
                       share * 100, (unsigned long long)wanted,
                       wanted < least ? ", and no limit can be below 4 MiB" : "",
                       (unsigned long long)limit);
    }
    advice->saves = ((int64_t)limit - (int64_t)advice->memory) * (int64_t)most_instances(use);
}

const char *
memory_finding_name(enum memory_finding finding)
{
    static const char *const names[] = {"insufficient_data", "optimized", "over_provisioned",
                                        "under_provisioned"};

    return names[finding];
}

bool
memory_by_body(const struct memory_use *use, uint64_t limit, struct memory_by_body *out)
{
    size_t n = use->by_body_count < STATISTICS_POINTS ? use->by_body_count : STATISTICS_POINTS;
    struct trend trend;
    double room;

    out->correlation = statistics_rank_correlation(use->by_body, n);
    if (n < LEAST_SAMPLES || out->correlation <= CORRELATED ||
        !statistics_trend(use->by_body, n, &trend) || trend.slope <= 0)
        return false;
    out->base = trend.base;
    out->per_byte = trend.slope;
    room = (double)limit * 0.95 - trend.base;
    out->largest_body = room > 0 ? (int64_t)(room / trend.slope) : 0;
    return true;
}

const char *
memory_use_source(const struct memory_use *use)
{
    return !use->kept_high && 2 * use->alone >= use->peaks.total ? "cgroup" : "sampled";
}

/* ---- the state folder ---- */

json_t *
memory_use_json(const struct memory_use *use)
{
    return json_pack("{s:I,s:I,s:b,s:I,s:I,s:I,s:I,s:f,s:I,s:I,s:I,s:I,s:I,s:o}", "limit",
                     (json_int_t)use->limit, "version", (json_int_t)use->version, "kept_high",
                     use->kept_high, "calls", (json_int_t)use->calls, "alone",
                     (json_int_t)use->alone, "since", (json_int_t)use->since_ms, "until",
                     (json_int_t)use->until_ms, "overhead", use->overhead, "overhead_count",
                     (json_int_t)use->overhead_count, "death_limit", (json_int_t)use->death_limit,
                     "death_calls", (json_int_t)use->death_calls, "deaths", (json_int_t)use->deaths,
                     "first_death_calls", (json_int_t)use->first_death_calls, "peaks",
                     histogram_json(&use->peaks));
}

bool
memory_use_from_json(struct memory_use *use, json_t *json)
{
    const struct {
        const char *name;
        uint64_t *number;
    } numbers[] = {{"calls", &use->calls},
                   {"alone", &use->alone},
                   {"overhead_count", &use->overhead_count},
                   {"death_limit", &use->death_limit},
                   {"death_calls", &use->death_calls},
                   {"deaths", &use->deaths},
                   {"first_death_calls", &use->first_death_calls}};

    memset(use, 0, sizeof *use);
    if (!histogram_from_json(&use->peaks, json_object_get(json, "peaks")))
        return false;
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        json_int_t number = json_integer_value(json_object_get(json, numbers[i].name));

        *numbers[i].number = number > 0 ? (uint64_t)number : 0;
    }
    use->limit = json_integer_value(json_object_get(json, "limit"));
    use->version = (uint32_t)json_integer_value(json_object_get(json, "version"));
    use->kept_high = json_is_true(json_object_get(json, "kept_high"));
    use->since_ms = json_integer_value(json_object_get(json, "since"));
    use->until_ms = use->kept_ms = json_integer_value(json_object_get(json, "until"));
    use->overhead = json_number_value(json_object_get(json, "overhead"));
    return true;
}
