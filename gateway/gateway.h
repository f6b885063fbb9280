/* gateway.h: the loops, and what they share. Each room has its own records: http/ the
 * clients, calls/ the calls and instances, functions/ what is deployed, admin/ what
 * operators ask.
 *
 * Threads. Every loop has its own listener, clients and calls; the main loop, number
 * 0, also has the launcher, the operators' requests, the deploys and the lives of the
 * instances. What they share, struct gw with its functions, instances and scheduler,
 * is touched with its lock held; the rest of a record belongs to one loop:
 * - a connection and a call: to the loop that accepted the connection;
 * - an instance's channel: to the loop whose calls it runs (its lane), from the
 *   first SCH_DISPATCH until the slot is idle again; else to the main loop.
 * Loops tell each other by mail (gw_post). What runs in the thread pool touches none
 * of these records.
 */
#ifndef GATEWAY_GATEWAY_H
#define GATEWAY_GATEWAY_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "config.h"
#include "launch_client.h"
#include "limits.h"
#include "pool.h"
#include "scheduler.h"
#include "wheel.h"

struct gw;
struct gw_call;
struct gw_conn;
struct gw_deploy;
struct gw_function;
struct gw_handler;
struct gw_instance;
struct gw_link;
struct gw_loop;

/* ---- mail between loops ---- */

/* Embedded in what is sent; in one inbox at a time, and its record stays until then. */
struct gw_mail {
    struct gw_mail *next;
    void (*deliver)(struct gw_loop *loop, struct gw_mail *mail); /* runs on that loop */
};

/* ---- the gateway ---- */

/* What a connection is good for, the least first: in this order they give way where
 * descriptors end. Only a call whose client has done its part gives way to nobody. */
enum gw_standing {
    GW_STANDS_ENDED,   /* answered; its body is read for nothing, or its end awaited */
    GW_STANDS_IDLE,    /* between two requests, or has not said a word */
    GW_STANDS_HEAD,    /* its request has begun */
    GW_STANDS_READING, /* the answer is here; its client takes it */
    GW_STANDS_HOLDING, /* a request whose body, or whose reading, is awaited */
    GW_STANDS_SERVED,  /* a request that is here whole, and is being served */
    GW_STANDINGS
};

struct gw_loop {
    struct gw *gw;
    uint8_t lane; /* its number; 0 is the main loop */
    uv_loop_t *uv;
    pthread_t thread;
    struct gw_pool pool;
    struct gw_wheel wheel;
    uv_timer_t ticker;
    bool ticking;
    uv_timer_t alarm;           /* the scheduler's next moment, to the millisecond */
    uint32_t sent, sent_before; /* calls since the workers were woken, and a turn ago */
    int core;                   /* where the loop ran last, and for how many turns */
    uint32_t turns_on_core;
    int32_t look_score; /* whether looking for a lone answer has paid lately */
    int64_t gather_since_ns;
    uv_prepare_t prepare;
    uv_check_t check;
    uv_idle_t spin; /* active while the loop must not sleep */
    struct gw_listener {
        uv_poll_t poll;
        int fd;
        bool is_unix;
    } listeners[2]; /* for calls; on the main loop perhaps another for operators */
    int listeners_count;
    bool acting;
    struct gw_link *busy; /* whose channels are this loop's */
    struct gw_call *free_calls;
    struct gw_conn *standing[GW_STANDINGS]; /* each in its list, who came first in front */
    struct gw_conn *backlog;                /* have bytes to parse, and had their turn */
    uint32_t backlog_count;
    uv_idle_t backlog_idle; /* active while there are some */
    int spare_fd;           /* given up to tell a client that there is no other */
    struct gw_mail shed_mail;
    atomic_bool shed_asked;
    atomic_uint conns_count;
    atomic_ullong conns_total;
    uint64_t next_serial, id_seed;
    /* see balance.c */
    atomic_uint to_move; /* connections that another loop is to have */
    uint32_t moved;
    atomic_bool drained; /* while draining: nothing runs here any more */
    char date[40];
    int64_t date_s;
    uv_async_t inbox;
    pthread_mutex_t inbox_lock;
    struct gw_mail *inbox_first, **inbox_last;
    unsigned char read_buffer[64 * 1024];
};

struct gw {
    pthread_mutex_t lock; /* recursive: see gw_lock */
    /* what those above a loop do with it, set before the loops are made: once, when it is made,
     * and with each tick of its wheel; what it has to do in each turn is done by handles */
    void (*on_open)(struct gw_loop *loop);
    void (*on_tick)(struct gw_loop *loop);
    /* what serves a request whose head is whole: http/handler.h */
    const struct gw_handler *(*route)(const struct gw_conn *conn);
    struct gw_config config;
    /* of the configuration, and changed while it runs */
    _Atomic int64_t header_timeout_ms, keepalive_timeout_ms;
    atomic_bool no_auth;
    struct gw_loop *loops[LIMIT_THREADS];
    uint32_t loops_count;
    _Atomic uint32_t active; /* the first so many take connections: balance.c */
    int64_t memory_budget;   /* bytes */
    int64_t alarm_ns;        /* the earliest that any loop's alarm is set to; INT64_MAX: none is */
    bool admin_alone;
    uint32_t conns_max;           /* of all loops together: see http/accept.c */
    _Atomic int64_t full_said_ms; /* when the log was told last that there are so many */
    uv_timer_t idle_watch;        /* of idle instances: see instance.c */
    bool idle_watched;
    struct launch_client launcher;
    struct sch *sch;
    struct gw_function *functions;
    struct gw_function *noisy; /* see gw_function_warn */
    struct gw_instance *instances;
    uint64_t next_instance, next_build;
    atomic_bool draining;
    bool ready;
    int64_t drain_by_ms;
    char token[65];
    char host_name[65];
    uint64_t launches_total, kills_total;
    struct gw_deploy *deploys; /* waiting and running */
    unsigned deploys_running;
};

int64_t gw_now_ns(void);
static inline int64_t
gw_now_ms(void)
{
    return gw_now_ns() / 1000000;
}
/* Arms a timer of the loop's wheel, `after_ms` from now; keeps the wheel turning. */
void gw_timer_set(struct gw_loop *loop, struct gw_timer *timer, int64_t after_ms,
                  void (*fire)(struct gw_timer *));
void gw_timer_unset(struct gw_loop *loop, struct gw_timer *timer);
void gw_keep_ticking(struct gw_loop *loop);

static inline struct gw_loop *
gw_main_loop(const struct gw *gw)
{
    return gw->loops[0];
}

/* loop.c */

/* Takes the lock until the end of the scope: `gw_locked struct gw *held = gw_lock(gw);`
 * It may be taken again inside. Held for a scheduler's event on the warm path, and for
 * the whole of what an operator asks; never while waiting for anything. */
#define gw_locked __attribute__((cleanup(gw_unlock), unused))
static inline struct gw *
gw_lock(struct gw *gw)
{
    if (gw->loops_count == 1)
        return NULL; /* there is nobody to share with */
    (void)pthread_mutex_lock(&gw->lock);
    return gw;
}

static inline void
gw_unlock(struct gw **gw)
{
    if (*gw != NULL)
        (void)pthread_mutex_unlock(&(*gw)->lock);
}

/* Makes the loops, each with its listener; fds: as the launcher gave them. */
int gw_loops_open(struct gw *gw, struct hearth_err *err);
int gw_loops_start(struct gw *gw, struct hearth_err *err); /* all but the main one */
/* Sends to another loop, or to this one: it is delivered later. From any thread. */
void gw_post(struct gw_loop *loop, struct gw_mail *mail,
             void (*deliver)(struct gw_loop *loop, struct gw_mail *mail));
void gw_wake_loop(struct gw_loop *loop);

/* balance.c */
int gw_balance_prepare(struct hearth_err *err); /* before the file system is out of reach */
void gw_balance_start(struct gw *gw);
/* The loop that a connection of this one is to go to, or NULL; counts it as gone. */
struct gw_loop *gw_balance_better_loop(struct gw_loop *loop);

#endif
