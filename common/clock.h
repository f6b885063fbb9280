/* clock.h: the time, as one number. */
#ifndef COMMON_CLOCK_H
#define COMMON_CLOCK_H

#include <stdint.h>
#include <time.h>

/* A clock that never goes back: for deadlines, and for how long something took. */
static inline int64_t
clock_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static inline int64_t
clock_ms(void)
{
    return clock_ns() / 1000000;
}

/* The time of day: nanoseconds, or milliseconds, since 1970. */
static inline int64_t
clock_wall_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static inline int64_t
clock_wall_ms(void)
{
    return clock_wall_ns() / 1000000;
}

#endif
