/* instance.h: the instances, each with its channel, and who has that in hand: the loop
 * whose calls it runs (its lane), from the first SCH_DISPATCH until its slot is idle again;
 * else the main loop. */
#ifndef GATEWAY_INSTANCE_H
#define GATEWAY_INSTANCE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <uthash.h>
#include <uv.h>

#include "channel.h"
#include "gateway.h"
#include "http/handler.h"
#include "launch.h"
#include "limits.h"
#include "wheel.h"

struct gw_call;
struct gw_function;
struct gw_settings;

/* Who starts an instance outside the pools, to check a version: told on the main loop, with
 * the lock held. */
struct gw_checker {
    const struct gw_settings *settings; /* that the version will have */
    void (*ready)(struct gw_checker *checker, struct gw_instance *inst);
    void (*failed)(struct gw_checker *checker, struct gw_instance *inst, const char *why);
};

/* Who waits until an instance has the limit that gw_instance_send_limit sent; status: 0, or
 * why it has not: -ESRCH, it died. Told as above. */
struct gw_limit_waiter {
    void (*done)(struct gw_limit_waiter *waiter, int status);
};

enum gw_instance_phase {
    GW_INSTANCE_LAUNCHING,
    GW_INSTANCE_LOADING,
    GW_INSTANCE_CHECKING, /* it says that it is ready: are its filters up? */
    GW_INSTANCE_READY,
    GW_INSTANCE_RETIRING
};

/* An instance as one loop sees it. Only that loop touches it. */
struct gw_link {
    struct gw_instance *inst;
    struct gw_loop *loop;
    bool mine; /* its channel is this loop's, and it stands in the loop's list */
    struct gw_link *next, *prev;
    struct gw_call *first, *last; /* calls that it was given, in their order */
    uint32_t count;
    int64_t service_ns;           /* what a call of it is expected to take; 0: not known */
    size_t room_wanted;           /* in the ring, before more can be sent; 0: nothing waits */
    bool unsent;                  /* calls behind the first wait for room in the ring */
    bool sent;                    /* wake the worker if it sleeps */
    bool made_room;               /* wake it if it sleeps until there is room */
    bool near;                    /* it was told to run on the loop's core */
    bool blocked;                 /* a slow client holds the response ring */
    struct gw_write_waiter taken; /* until it has taken what was written */
    bool watched;                 /* the bell below is open */
    uv_poll_t bell;
    struct gw_timer hushed; /* it made too much noise */
    uint32_t rings;         /* for nothing in a row */
    struct gw_mail unwatch;
};

struct gw_instance {
    UT_hash_handle hh; /* by id */
    uint64_t id;
    struct gw *gw;
    atomic_uint refs; /* the registry's, and one for each mail and handle under way */
    struct gw_function *function;
    struct gw_instance *next, *prev; /* of its function */
    struct sch_slot *slot;           /* NULL: it checks a version */
    struct gw_checker *checker;      /* NULL: it serves, or did */
    uint32_t version;
    enum gw_instance_phase phase;
    bool broken; /* it broke the protocol, and is being ended */
    bool full;   /* it said so with its last answer: FRAME_FULL */
    atomic_bool killed;
    bool dying; /* it is dead, and what the launcher said stands in death */
    bool dead;  /* the loop that has its channel knows */
    struct launch_died death;
    struct gw_mail death_mail, kill_mail;
    char unfit[192];               /* why it could not serve, in its own words */
    int64_t launched_ns, start_ns; /* when asked for; how long until it was ready */
    struct chan chan;
    bool open; /* the channel and the descriptors below are */
    uv_poll_t log;
    int log_fd, memory_fd, peak_fd, cpu_fd;
    int bell_fds[LIMIT_THREADS];
    bool cpu_in_usec;
    int32_t pid;
    int64_t limit_bytes;
    int64_t held_bytes;  /* of the budget, for one that checks a deploy */
    uint64_t idle_calls; /* `calls` and cpu time when it was last seen idle */
    int64_t idle_cpu_us;
    int64_t born_ms;
    uint64_t calls;
    struct gw_timer timer;          /* start, or retirement, takes too long */
    struct gw_limit_waiter *waiter; /* NULL: nobody */
    bool log_watched;
    struct gw_timer log_pause;
    uint32_t log_bytes; /* since the last pause */
    char *log_line;     /* an unfinished line of output */
    uint32_t log_len;
    struct gw_link links[]; /* one per loop */
};

/* instance.c */
struct gw_instance *gw_instance_launch(struct gw *gw, struct gw_function *function,
                                       uint32_t version, bool staged, struct sch_slot *slot,
                                       struct gw_checker *checker);
void gw_instance_kill(struct gw_instance *inst);
void gw_instance_send_limit(struct gw_instance *inst); /* the function's memory limit of now */
/* The function has other settings: what of them a running worker reads. */
void gw_instances_follow_settings(struct gw_function *f);
/* The same where it has another one, and is not to go anyway. */
void gw_instance_follow_limit(struct gw_instance *inst);
void gw_instance_retire(struct gw_instance *inst);
void gw_instance_on_message(struct gw *gw, const struct launch_message *msg, int *fds, unsigned n);
int64_t gw_instance_read(int fd); /* the number in a meter, or 0 */
int64_t gw_instance_cpu_us(const struct gw_instance *inst);
/* Takes what it has printed by now, up to a bound. */
void gw_instance_read_log(struct gw_instance *inst);
void gw_instance_hold(struct gw_instance *inst);
void gw_instance_let_go(struct gw_instance *inst); /* frees it at the last */
/* The loop that had its channel is done with it: the rest is the main loop's. */
void gw_instance_calls_ended(struct gw_instance *inst);
/* What a frame of a starting instance says; 1, or -EPROTO. Main loop. */
int gw_instance_start_frame(struct gw_instance *inst, const struct frame *frame);
void gw_instance_answer_death(struct gw_instance *inst, struct gw_call *call);

/* link.c: the channel of an instance, in the hands of one loop */
void gw_link_watch(struct gw_link *link); /* listens to its bell */
/* A call for it: from now on its channel is this loop's, until gw_link_poll has
 * given it up. */
void gw_link_take(struct gw_link *link, struct gw_call *call);
/* Takes what its worker has said. The instance may be gone on return. */
void gw_link_poll(struct gw_link *link);
void gw_link_wake(struct gw_link *link); /* for what was sent and consumed since */
/* With the lock held: gives the channel up, where the scheduler has no call of this loop for
 * the instance any more. Whether it is still this loop's. */
bool gw_link_settle(struct gw_link *link);
/* A call of it goes elsewhere: it is no longer in the list. */
void gw_link_remove(struct gw_link *link, struct gw_call *call);
/* Closes the bell, where it is open; lets go of the instance then. */
void gw_link_close(struct gw_link *link);

/* dispatch.c */
void gw_dispatch(struct gw_loop *loop); /* carries out what the scheduler decided for it */
void gw_dispatch_attach(struct gw_loop *loop);

#endif
