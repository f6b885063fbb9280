/* leak.c: see leak.h. */
#include "leak.h"

#define EVERY       8         /* calls, at first */
#define LEAST_HEAP  8.0       /* bytes per call; malloc gives out no less than 16 */
#define LEAST_USED  4194304.0 /* bytes in all: far more than the kernel's steps */
#define LEAST_COUNT 24        /* points: eight in each third */

bool
leak_series_wants(const struct leak_series *series, uint64_t calls)
{
    uint64_t every = series->every > 0 ? series->every : EVERY;

    return series->count == 0 || (double)calls >= series->heap[series->count - 1].x + (double)every;
}

static void
thin(struct leak_series *series)
{
    series->count /= 2;
    for (size_t i = 0; i < series->count; i++) {
        series->heap[i] = series->heap[2 * i + 1];
        series->used[i] = series->used[2 * i + 1];
    }
    series->every *= 2;
}

void
leak_series_add(struct leak_series *series, uint64_t calls, uint64_t heap, uint64_t used)
{
    if (!leak_series_wants(series, calls))
        return;
    if (series->every == 0)
        series->every = EVERY;
    if (series->count == LEAK_POINTS)
        thin(series);
    series->heap[series->count] = (struct point){.x = (double)calls, .y = (double)heap};
    series->used[series->count] = (struct point){.x = (double)calls, .y = (double)used};
    series->count++;
}

/* The difference between the largest and the smallest deviation from the line. */
static double
scatter(const struct point *points, size_t n, const struct trend *trend)
{
    double least = 0, most = 0;

    for (size_t i = 0; i < n; i++) {
        double off = points[i].y - trend->base - trend->slope * points[i].x;

        least = off < least ? off : least;
        most = off > most ? off : most;
    }
    return most - least;
}

/* Growth without an end. least: what the whole series must have grown by, in bytes. */
static bool
is_steady(const struct point *points, size_t n, double least, struct trend *whole)
{
    struct trend first, last;
    size_t third = n / 3;
    double growth;

    if (points[n - 1].y - points[0].y < least / 2)
        return false; /* the usual case: it costs nothing */
    if (!statistics_trend(points, n, whole) || whole->least <= 0 ||
        !statistics_trend(points, third, &first) ||
        !statistics_trend(points + n - third, third, &last))
        return false;
    growth = whole->slope * (points[n - 1].x - points[0].x);
    return growth >= least && growth >= LEAK_CLEAR * scatter(points, n, whole) && last.slope > 0 &&
           last.slope >= LEAK_STEADY * first.slope;
}

struct leak
leak_find(const struct leak_series *series)
{
    struct leak leak = {.verdict = LEAK_UNKNOWN, .source = "worker"};
    size_t n = series->count;
    struct trend trend;
    double calls;

    if (n < LEAST_COUNT || series->heap[n - 1].x < LEAK_CALLS)
        return leak;
    calls = series->heap[n - 1].x - series->heap[0].x;
    leak.verdict = LEAK_NONE;
    if (is_steady(series->heap, n, LEAST_HEAP * calls, &trend)) {
        leak.verdict = LEAK_SUSPECTED;
        leak.bytes_per_call = trend.slope;
    } else if (is_steady(series->used, n, LEAST_USED, &trend)) {
        leak.verdict = LEAK_SUSPECTED;
        leak.bytes_per_call = trend.slope;
        leak.source = "cgroup";
    }
    return leak;
}
