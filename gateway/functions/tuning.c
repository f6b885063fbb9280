/* tuning.c: see tuning.h. */
#include "tuning.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define KNEE 1.05

/* The calls that count, in order of their time. */
static unsigned
sorted(const struct tuning_step *step, double *out)
{
    unsigned from = step->calls > 1, n = 0;

    for (unsigned i = from; i < step->calls; i++) {
        unsigned at = n++;

        for (; at > 0 && out[at - 1] > step->run_ms[i]; at--)
            out[at] = out[at - 1];
        out[at] = step->run_ms[i];
    }
    return n;
}

bool
tuning_is_settled(const struct tuning_step *step, size_t payloads)
{
    double times[TUNING_CALLS], mean = 0, variance = 0;
    unsigned n = sorted(step, times);

    if (step->calls < TUNING_LEAST || step->calls < payloads)
        return false;
    if (step->calls >= TUNING_MORE)
        return true;
    for (unsigned i = 0; i < n; i++)
        mean += times[i] / n;
    for (unsigned i = 0; i < n; i++)
        variance += (times[i] - mean) * (times[i] - mean) / n;
    return sqrt(variance) <= TUNING_CV * mean;
}

double
tuning_quantile(const struct tuning_step *step, double share)
{
    double times[TUNING_CALLS];
    unsigned n = sorted(step, times);
    double rank = ceil(share * n);

    return n == 0 ? 0 : times[rank < 1 ? 0 : (unsigned)rank - 1];
}

static double
cost_of(const struct tuning_step *step)
{
    return (double)step->memory * tuning_quantile(step, 0.5);
}

/* The limit with the least of weight * cost + (1 - weight) * time; of equals, the smaller limit. */
static int64_t
least(const struct tuning_step *steps, size_t n, double weight)
{
    double most_cost = 0, most_time = 0, best = INFINITY;
    int64_t memory = 0;

    for (size_t i = 0; i < n; i++)
        if (steps[i].success) {
            most_cost = fmax(most_cost, cost_of(&steps[i]));
            most_time = fmax(most_time, tuning_quantile(&steps[i], 0.5));
        }
    if (most_cost <= 0 || most_time <= 0)
        return 0;
    for (size_t i = 0; i < n; i++) {
        double value = weight * cost_of(&steps[i]) / most_cost +
                       (1 - weight) * tuning_quantile(&steps[i], 0.5) / most_time;

        if (steps[i].success && (value < best || (value <= best && steps[i].memory < memory))) {
            best = value;
            memory = steps[i].memory;
        }
    }
    return memory;
}

bool
tuning_pick(const struct tuning_step *steps, size_t n, double weight, struct tuning_picks *picks)
{
    double fastest = INFINITY;

    memset(picks, 0, sizeof *picks);
    for (size_t i = 0; i < n; i++) {
        if (!steps[i].success) {
            if (steps[i].why != NULL && strcmp(steps[i].why, "memory_exceeded") == 0 &&
                steps[i].memory > picks->fails)
                picks->fails = steps[i].memory;
            continue;
        }
        fastest = fmin(fastest, tuning_quantile(&steps[i], 0.5));
        if (picks->need == 0 || steps[i].peak < picks->need)
            picks->need = steps[i].peak;
        if (picks->works == 0 || steps[i].memory < picks->works)
            picks->works = steps[i].memory;
    }
    if (picks->works == 0)
        return false;
    for (size_t i = 0; i < n; i++)
        if (steps[i].success && tuning_quantile(&steps[i], 0.5) <= KNEE * fastest &&
            (picks->knee == 0 || steps[i].memory < picks->knee))
            picks->knee = steps[i].memory;
    picks->cost = least(steps, n, 1);
    picks->speed = least(steps, n, 0);
    picks->balanced = least(steps, n, weight);
    return true;
}
