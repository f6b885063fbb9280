/* loop.h: the event loops, the messages between them, and the lock. This layer knows none of the
 * layers above it. Each of those keeps its shared state in a record that struct gw points to, and
 * its state per loop in one that struct gw_loop points to.
 *
 * Threads: every loop has its own listener, clients and calls. The main loop (number 0) also has
 * the launcher's socket, the operators' requests, the deploys and the lives of the instances.
 * Functions, instances and the scheduler are shared and are touched only with the lock held. The
 * rest belongs to one loop:
 * - a connection or a call: to the loop that accepted the connection;
 * - an instance's channel: to the loop whose calls it runs (its lane), from the first SCH_DISPATCH
 *   until the slot is idle again; otherwise to the main loop.
 * Loops notify each other by messages (gw_post). Work in the thread pool touches none of these
 * records.
 */
#ifndef GATEWAY_LOOP_H
#define GATEWAY_LOOP_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "err.h"
#include "limits.h"
#include "pool.h"
#include "wheel.h"

struct gw;
struct gw_loop;

/* ---- mail between loops ---- */

/* Embedded in the record that is sent. It is in at most one inbox at a time, and the record must
 * stay valid until delivery. */
struct gw_mail {
    struct gw_mail *next;
    void (*deliver)(struct gw_loop *loop, struct gw_mail *mail); /* runs on that loop */
};

/* ---- the loops ---- */

struct gw_loop {
    struct gw *gw;
    uint8_t lane; /* its number; 0 is the main loop */
    uv_loop_t *uv;
    pthread_t thread;
    struct gw_pool pool;
    struct gw_wheel wheel;
    uv_timer_t ticker;
    bool ticking;
    int64_t ticked_ms; /* when it last did */
    uv_async_t inbox;
    pthread_mutex_t inbox_lock;
    struct gw_mail *inbox_first, **inbox_last;
    /* state of the layers above; set in on_open */
    struct gw_http_loop *http;
    struct gw_instances_loop *instances;
    struct gw_calls_loop *calls;
};

/* What all loops share. */
struct gw {
    pthread_mutex_t lock; /* recursive: see gw_lock */
    /* Set before the loops are made; called once per loop, when it is made. Returns 0 or a negative
     * errno. A layer that needs to run in each turn of a loop opens its own libuv handle here. */
    int (*on_open)(struct gw_loop *loop);
    void (*on_tick)(struct gw_loop *loop); /* at each tick of the wheel */
    struct gw_loop *loops[LIMIT_THREADS];
    uint32_t loops_count;
    atomic_bool draining; /* no new calls are accepted; the loops end once nothing runs */
    /* state of the layers above; set before the loops are made */
    struct gw_http *http;
    struct gw_functions *functions;
    struct gw_instances *instances;
    struct gw_calls *calls;
    struct gw_admin *admin;
};

int64_t gw_now_ns(void);
static inline int64_t
gw_now_ms(void)
{
    return gw_now_ns() / 1000000;
}
/* Arms a timer of the loop's wheel, `after_ms` from now, and starts the ticker if needed. */
void gw_timer_set(struct gw_loop *loop, struct gw_timer *timer, int64_t after_ms,
                  void (*fire)(struct gw_timer *));
void gw_timer_unset(struct gw_loop *loop, struct gw_timer *timer);
void gw_keep_ticking(struct gw_loop *loop);

static inline struct gw_loop *
gw_main_loop(const struct gw *gw)
{
    return gw->loops[0];
}

/* Takes the lock until the end of the scope: `gw_locked struct gw *held = gw_lock(gw);` The lock is
 * recursive. It is held for a scheduler event on the warm path, and for the whole of an operator's
 * request; never across a blocking wait. */
#define gw_locked __attribute__((cleanup(gw_unlock), unused))
static inline struct gw *
gw_lock(struct gw *gw)
{
    if (gw->loops_count == 1)
        return NULL; /* a single loop shares nothing */
    (void)pthread_mutex_lock(&gw->lock);
    return gw;
}

static inline void
gw_unlock(struct gw **gw)
{
    if (*gw != NULL)
        (void)pthread_mutex_unlock(&(*gw)->lock);
}

/* Makes `count` loops. idle_time: libuv measures how long each loop sleeps. */
int gw_loops_open(struct gw *gw, uint32_t count, bool idle_time, struct hearth_err *err);
int gw_loops_start(struct gw *gw, struct hearth_err *err); /* all but the main one */
/* Queues a message for a loop, which may be the caller's; it is delivered later. Callable from any
 * thread. */
void gw_post(struct gw_loop *loop, struct gw_mail *mail,
             void (*deliver)(struct gw_loop *loop, struct gw_mail *mail));
void gw_wake_loop(struct gw_loop *loop);

#endif
