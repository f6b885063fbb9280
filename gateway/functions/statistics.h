/* statistics.h: what a series of measurements says, without assumptions about its distribution. */
#ifndef GATEWAY_STATISTICS_H
#define GATEWAY_STATISTICS_H

#include <stdbool.h>
#include <stddef.h>

#define STATISTICS_POINTS 128 /* most points of a series */

struct point {
    double x, y;
};

/* A line through points. */
struct trend {
    double slope; /* the median of the slopes of all pairs (Theil, Sen) */
    double least,
        most;    /* 95 % confidence interval of the slope (Sen 1968, by Kendall's variance) */
    double base; /* the median of y - slope * x */
};

/* False for fewer than 8 points, more than STATISTICS_POINTS, or if all x are the same. */
bool statistics_trend(const struct point *points, size_t n, struct trend *trend);
/* Spearman's rank correlation, -1 to 1; 0 where there is none to be had. */
double statistics_rank_correlation(const struct point *points, size_t n);

#endif
