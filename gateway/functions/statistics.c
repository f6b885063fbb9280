/* statistics.c: see statistics.h. */
#include "statistics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"

#define LEAST_POINTS 8

static int
ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double
median(double *sorted, size_t n)
{
    return n % 2 == 1 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
}

bool
statistics_trend(const struct point *points, size_t n, struct trend *trend)
{
    cleanup_free double *slopes = NULL;
    double offsets[STATISTICS_POINTS], variance, width;
    size_t count = 0, from;

    if (n < LEAST_POINTS || n > STATISTICS_POINTS)
        return false;
    slopes = malloc(n * (n - 1) / 2 * sizeof *slopes);
    if (slopes == NULL)
        return false;
    for (size_t i = 0; i < n; i++)
        for (size_t k = i + 1; k < n; k++)
            if (points[k].x != points[i].x)
                slopes[count++] = (points[k].y - points[i].y) / (points[k].x - points[i].x);
    if (count == 0)
        return false;
    qsort(slopes, count, sizeof *slopes, ascending);
    trend->slope = median(slopes, count);
    variance = (double)n * (double)(n - 1) * (double)(2 * n + 5) / 18;
    width = 1.96 * sqrt(variance);
    from = (double)count > width ? (size_t)(((double)count - width) / 2) : 0;
    trend->least = slopes[from];
    trend->most = slopes[count - 1 - from];
    for (size_t i = 0; i < n; i++)
        offsets[i] = points[i].y - trend->slope * points[i].x;
    qsort(offsets, n, sizeof *offsets, ascending);
    trend->base = median(offsets, n);
    return true;
}

/* Equal values share the mean of their ranks. */
static void
rank(const double *values, size_t n, double *ranks)
{
    for (size_t i = 0; i < n; i++) {
        size_t below = 0, same = 0;

        for (size_t k = 0; k < n; k++) {
            below += values[k] < values[i];
            same += values[k] == values[i];
        }
        ranks[i] = (double)below + (double)(same + 1) / 2;
    }
}

double
statistics_rank_correlation(const struct point *points, size_t n)
{
    double values[STATISTICS_POINTS], x[STATISTICS_POINTS], y[STATISTICS_POINTS];
    double mean = (double)(n + 1) / 2, xy = 0, xx = 0, yy = 0;

    if (n < LEAST_POINTS || n > STATISTICS_POINTS)
        return 0;
    for (size_t i = 0; i < n; i++)
        values[i] = points[i].x;
    rank(values, n, x);
    for (size_t i = 0; i < n; i++)
        values[i] = points[i].y;
    rank(values, n, y);
    for (size_t i = 0; i < n; i++) {
        xy += (x[i] - mean) * (y[i] - mean);
        xx += (x[i] - mean) * (x[i] - mean);
        yy += (y[i] - mean) * (y[i] - mean);
    }
    return xx > 0 && yy > 0 ? xy / sqrt(xx * yy) : 0;
}
