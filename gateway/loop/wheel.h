/* wheel.h: coarse timers for many records: one clock, no heap, no libuv timer per call. Pure: the
 * owner passes the time in. A timer fires up to one tick late, never early. */
#ifndef GATEWAY_WHEEL_H
#define GATEWAY_WHEEL_H

#include <stdbool.h>
#include <stdint.h>

enum { GW_WHEEL_SLOTS = 512, GW_WHEEL_TICK_MS = 8 };

/* Embedded in the record that is timed; zero it before its first use. */
struct gw_timer {
    struct gw_timer *next, *prev;
    int64_t at_ms;
    bool armed;
    void (*fire)(struct gw_timer *timer);
};

struct gw_wheel {
    struct gw_timer slots[GW_WHEEL_SLOTS]; /* heads of circular lists */
    int64_t tick;                          /* the last tick that was processed */
    uint32_t armed;
};

void gw_wheel_init(struct gw_wheel *wheel, int64_t now_ms);
/* Arms the timer. An armed timer is armed anew. */
void gw_wheel_set(struct gw_wheel *wheel, struct gw_timer *timer, int64_t at_ms,
                  void (*fire)(struct gw_timer *));
void gw_wheel_unset(struct gw_wheel *wheel, struct gw_timer *timer);
/* Fires every timer that is due. A callback may arm and disarm any timer. */
void gw_wheel_run(struct gw_wheel *wheel, int64_t now_ms);

#endif
