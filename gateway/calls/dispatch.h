/* dispatch.h: carries out the scheduler's decisions, and decides when a loop sleeps. */
#ifndef GATEWAY_DISPATCH_H
#define GATEWAY_DISPATCH_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "loop.h"

struct gw_call;

struct gw_calls {
    int64_t alarm_ns; /* the earliest alarm of all loops; INT64_MAX: none */
};

struct gw_calls_loop {
    uv_timer_t alarm;           /* the scheduler's next wake-up, in milliseconds */
    uint32_t sent, sent_before; /* calls sent since the workers were woken; the same a turn ago */
    int core;                   /* the core that the loop runs on, and for how many turns */
    uint32_t turns_on_core;
    int32_t look_score; /* whether polling for a response has succeeded lately */
    int64_t gather_since_ns;
    uv_prepare_t prepare;
    uv_check_t check;
    uv_idle_t spin; /* active while the loop must not sleep */
    bool acting;
    struct gw_call *free_calls;
    struct gw_tracing *tracing; /* NULL: nothing was traced so far */
    uint64_t next_serial;
};

/* Makes loop->calls. Returns 0 or -ENOMEM. */
int gw_calls_attach(struct gw_loop *loop);
/* Carries out the scheduler's decisions for this loop. */
void gw_dispatch(struct gw_loop *loop);

/* sleep.c */
void gw_sleep_attach(struct gw_loop *loop);

#endif
