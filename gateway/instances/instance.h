/* instance.h: the instances. The channel of an instance belongs to the loop whose calls it runs
 * (its lane), from the first SCH_DISPATCH until its slot is idle again; otherwise to the main loop.
 */
#ifndef GATEWAY_INSTANCE_H
#define GATEWAY_INSTANCE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <uthash.h>
#include <uv.h>

#include "channel.h"
#include "codes.h"
#include "launch.h"
#include "launch_client.h"
#include "limits.h"
#include "link.h"
#include "loop.h"
#include "scheduler.h"

struct gw_function;
struct gw_instance_events;
struct gw_probe;
struct gw_settings;

/* Notified about an instance that was started outside the pools to check a version. Called on the
 * main loop, with the lock held. */
struct gw_checker {
    const struct gw_settings *settings; /* of the version */
    void (*ready)(struct gw_checker *checker, struct gw_instance *inst);
    void (*failed)(struct gw_checker *checker, struct gw_instance *inst, const char *why);
    /* NULL: not wanted. What its init cost, by module: text that a worker wrote (frame_ready) */
    void (*costs)(struct gw_checker *checker, const char *text, size_t n);
};

/* Notified when the kernel has applied, or refused, the limit that gw_instance_send_limit sent.
 * status: 0 or a negative errno; -ESRCH: the instance has died. Called on the main loop, with the
 * lock held. */
struct gw_limit_waiter {
    void (*done)(struct gw_limit_waiter *waiter, const struct gw_instance *inst, int status);
};

/* All instances. main sets events and launcher before the loops are made. */
struct gw_instances {
    const struct gw_instance_events *events;
    struct launch_client launcher;
    struct gw_instance *table; /* by id */
    uint64_t next_instance;
    uint64_t launches_total, kills_total;
    int64_t template_bytes; /* of all templates, beside what the scheduler counts */
    uv_timer_t idle_watch;  /* the timer of idle.c */
    bool idle_watched;
};

/* Who wants a profile. Called on the main loop, with the lock held. After gone, or data with `end`
 * or false, it is not called again. */
struct gw_profiler {
    void (*begun)(struct gw_profiler *profiler);
    /* A part of the text of worker/profile.h. False: no more of it is wanted; the instance is ended
     * for it. */
    bool (*data)(struct gw_profiler *profiler, const void *bytes, size_t n, bool end);
    void (*gone)(struct gw_profiler *profiler); /* the instance has ended */
};

enum gw_profiling {
    GW_PROFILE_OFF,
    GW_PROFILE_BEGINS, /* once it is paused */
    GW_PROFILE_SAMPLES,
    GW_PROFILE_ENDS, /* once it is paused */
    GW_PROFILE_READS /* paused, until the result is here */
};

struct gw_instances_loop {
    struct gw_link *busy; /* links whose channel this loop owns */
    int64_t measured_ns;  /* when it last read what a call has used */
    uint32_t pieces_left; /* frames that end no response, in this turn of the loop */
};

/* The life of an instance, in this order; phases may be skipped. Changed only by enter() in
 * instance.c, with the lock held. */
enum gw_instance_phase {
    GW_INSTANCE_LAUNCHING, /* the launcher has been asked to start it */
    GW_INSTANCE_LOADING,   /* the worker loads the object */
    GW_INSTANCE_CHECKING,  /* the worker reports ready; the launcher verifies its filters */
    GW_INSTANCE_READY,
    GW_INSTANCE_RETIRING, /* the worker has been told to exit */
    GW_INSTANCE_KILLED,   /* the launcher has been asked to kill it */
    GW_INSTANCE_DEAD      /* the launcher's report is in `death` */
};

struct gw_instance {
    UT_hash_handle hh; /* by id */
    uint64_t id;
    struct gw *gw;
    atomic_uint refs; /* one for the registry, one per message and handle in use */
    struct gw_function *function;
    struct gw_instance *next, *prev; /* in the list of its function */
    struct sch_slot *slot;           /* NULL: it checks a version */
    struct gw_checker *checker;      /* NULL: it serves, or did */
    bool pooled;                     /* it has, or had, a slot */
    uint32_t version;
    enum gw_instance_phase phase, lived; /* lived: the phase before it was killed or died */
    bool killed;                         /* by the gateway, before it died */
    bool broken;                         /* it broke the protocol and is being killed */
    bool full;                           /* its last response had the flag FRAME_FULL */
    enum sch_end why;                    /* it was retired or killed, for this */
    bool drained; /* dead; the owner of the channel takes the remaining frames */
    struct launch_died death;
    struct gw_mail death_mail, kill_mail;
    char unfit[192];               /* why it failed to start, as the worker reported */
    int64_t launched_ns, start_ns; /* time of the request; duration until it was ready */
    struct chan chan;
    bool open; /* the channel and the descriptors below are open */
    uv_poll_t log;
    int log_fd, memory_fd, peak_fd, cpu_fd;
    int bell_fds[LIMIT_THREADS];
    bool cpu_in_usec;
    int32_t pid;
    int64_t limit_bytes;
    int64_t cpu;         /* as the setting, thousandths of a core */
    int64_t held_bytes;  /* reserved from the budget while it checks a deploy */
    uint64_t idle_calls; /* `calls` and CPU time at the last idle check */
    int64_t idle_cpu_us;
    int64_t born_ms;
    uint64_t calls;
    uint64_t peak_bytes;          /* of its whole life, as far as it was read */
    struct gw_probe *probe;       /* NULL: no call of the platform's own runs */
    struct gw_profiler *profiler; /* NULL: nobody */
    enum gw_profiling profiling;
    struct leak_series *leak;          /* NULL: too few calls */
    uint32_t unmeasured;               /* calls since its high-water mark was last read */
    bool keeps_peak;                   /* the kernel cannot reset the mark */
    struct gw_timer timer;             /* start or retirement timeout */
    struct gw_limit_waiter *waiter;    /* NULL: none */
    unsigned limits_sent;              /* that the launcher has not answered */
    unsigned trims;                    /* times it was asked to give back free heap, unanswered */
    bool awaits_trim;                  /* it is paused until then */
    int64_t untrimmed_bytes;           /* what it used when it was asked */
    uint64_t trimmed_calls;            /* `calls` at the last look whether it is worth it */
    int64_t fresh_bytes;               /* what it used before its first call */
    uint32_t refusals_seen;            /* the channel's count at the last report: see refusals.c */
    struct gw_connection *connections; /* open ones: network.h */
    bool is_template;                  /* it serves no calls: template.c */
    int64_t shared_bytes;              /* of a template, or of that which it was forked from */
    bool has_network;                  /* it was started with destinations */
    bool policy_unsent;                /* the socket to the broker was full */
    struct gw_refused *refused;        /* counts by number; NULL: nothing was refused so far */
    bool partials_taken;               /* unfinished lines are in the journal already */
    bool log_watched;
    struct gw_timer log_pause;
    uint32_t log_bytes; /* since the last pause */
    char *log_line;     /* an unfinished line from the log socket */
    uint32_t log_len;
    struct gw_link links[]; /* one per loop */
};

/* Makes loop->instances. Returns 0 or -ENOMEM. */
int gw_instances_attach(struct gw_loop *loop);

/* instance.c */
/* All functions of this file are called with the lock held, unless noted. NULL: no memory, or the
 * launcher is unreachable. */
struct gw_instance *gw_instance_launch(struct gw *gw, struct gw_function *function,
                                       uint32_t version, bool staged, struct sch_slot *slot,
                                       struct gw_checker *checker);
/* One that is forked for others. */
struct gw_instance *gw_instance_launch_template(struct gw *gw, struct gw_function *f);
/* Callable from any loop, with or without the lock. */
void gw_instance_kill(struct gw_instance *inst, enum sch_end why);
void gw_instance_retire(struct gw_instance *inst, enum sch_end why);
void gw_instance_on_message(struct gw *gw, const struct launch_message *msg, int *fds, unsigned n);
/* The settings that the instance runs under: the function's, or those of the version that it
 * checks. */
const struct gw_settings *gw_instance_settings(const struct gw_instance *inst);
void gw_instance_hold(struct gw_instance *inst);
void gw_instance_let_go(struct gw_instance *inst); /* the last reference frees it */
/* Reports that the loop that owned the channel has ended all calls. The main loop does the rest. */
void gw_instance_calls_ended(struct gw_instance *inst);
/* Handles a frame of a starting instance. Returns GW_FRAME_TAKEN or -EPROTO. Main loop only. */
int gw_instance_start_frame(struct gw_instance *inst, const struct frame *frame);

/* limit.c */
/* Makes the memory limit of the settings that of the instance, unless it is about to end: a larger
 * one at once, a smaller one between two calls, after free heap was given back. If it uses more
 * than that, it is retired. */
void gw_instance_follow_limit(struct gw_instance *inst);
void gw_instance_paused(struct gw_instance *inst); /* SCH_PAUSED */
/* Nothing is on its way to a paused instance: sends the limit, or lets it go on. */
void gw_instance_change(struct gw_instance *inst);
void gw_instance_limited(struct gw_instance *inst, int status); /* handles the launcher's answer */
void gw_instance_notify_waiter(struct gw_instance *inst, int status);
/* Writes the limit and recycle_memory into the shared memory, for the worker. */
void gw_instance_publish_limits(struct gw_instance *inst);
/* Publishes changed settings to the function's running workers. */
void gw_instances_follow_settings(struct gw_function *f);

/* auto.c */
/* The kernel has killed it for memory. */
void gw_instance_auto_death(struct gw_instance *inst);
/* The same of a call that its language ended before the kernel had to. On any loop. */
void gw_instance_note_refused_memory(struct gw_loop *loop, struct gw_instance *inst);
/* Now and then, for a function with instances. */
void gw_instances_auto_follow(struct gw *gw, struct gw_function *f, int64_t now_ms);

/* profiling.c */
/* False: it cannot be profiled now, and nothing is called. */
bool gw_instance_profile(struct gw_instance *inst, struct gw_profiler *profiler);
/* After begun: the result is to come. */
void gw_instance_profile_end(struct gw_instance *inst);
/* It is paused: takes the next step. True: it is to stay paused. */
bool gw_instance_profile_paused(struct gw_instance *inst);
/* FRAME_PROFILED came: GW_FRAME_TAKEN or -EPROTO. */
int gw_instance_profiled(struct gw_instance *inst, const struct frame *frame);
void gw_instance_profile_gone(struct gw_instance *inst);

/* template.c */
/* The one that new instances of the function can be forked from, or NULL. */
struct gw_instance *gw_template_ready(const struct gw_function *f);
/* An instance of the function's pool is ready, or a version was checked: starts a template if that
 * is worth it and there is memory. */
void gw_template_consider(struct gw *gw, struct gw_function *f);
/* An instance of the pool needs so much: ends templates for it. */
void gw_templates_make_room(struct gw *gw, int64_t bytes);
/* It is ready, or has ended. */
void gw_template_is_ready(struct gw_instance *inst);
void gw_template_ended(struct gw_instance *inst);
/* Settings or the version have changed, or some time has passed: ends one that is of no use. */
void gw_template_follow(struct gw_function *f);
/* Each second. */
void gw_template_tick(struct gw_instance *t);

/* trim.c: free heap goes back to the kernel between two calls */
/* Of a paused instance; then gw_instance_change is called. False: it cannot be asked now. */
bool gw_instance_trim_paused(struct gw_instance *inst);
/* FRAME_TRIMMED came: GW_FRAME_TAKEN; -EPROTO if it was not asked for. On the loop that owns the
 * channel, with or without the lock. */
int gw_instance_trimmed(struct gw_instance *inst);
/* An idle instance, now and then: trims it once after a burst. */
void gw_instance_trim_idle(struct gw_instance *inst, int64_t now_ns);

/* outcome.c: why an instance ended */
struct gw_outcome {
    enum gw_code code;
    char syscall[32], signal[24]; /* "": none */
    int exit;
    bool stack_overflow; /* reported by the worker before SIGSEGV */
};
/* Combines the launcher's report with the worker's note in the shared memory. */
struct gw_outcome gw_instance_outcome(const struct gw_instance *inst);
/* The killer's name in the API, and what it did, in words. */
const char *gw_instance_killer_name(uint32_t killer);
const char *gw_instance_killer_text(uint32_t killer);
/* Explains in a sentence why the instance never became ready. */
void gw_instance_explain_failed_start(const struct gw_instance *inst, char *text, size_t n);

/* end.c */
/* Counts the end of an instance of the pools by its reason, and writes it to the function's log if
 * it is more than the usual coming and going. */
void gw_instance_count_end(struct gw_instance *inst);

/* output.c: what an instance prints */
void gw_instance_read_log_later(struct gw_instance *inst);
/* Reads the log socket, up to a bound. */
void gw_instance_read_log(struct gw_instance *inst);
/* Reads the rest of the output of a dead instance, including an unfinished last line. */
void gw_instance_read_last_log(struct gw_instance *inst);
void gw_instance_stop_log(struct gw_instance *inst);
/* Moves the output in the channel's memory to the journal. Lock held. */
void gw_instance_take_output(struct gw_instance *inst);
/* All output of all instances of the function. */
void gw_function_take_output(struct gw_function *f);
/* As above, including unfinished lines. For an instance that is about to end. */
void gw_instance_take_last_output(struct gw_instance *inst);
/* Takes the output of calls that run long. Called at each tick of a loop. */
void gw_instances_tick(struct gw_loop *loop);

/* refusals.c: with the lock held. Whether there are new refusals, checked with a single load. */
static inline bool
gw_instance_has_refusals(const struct gw_instance *inst)
{
    return atomic_load_explicit(&inst->chan.shared->refusals, memory_order_relaxed) !=
           inst->refusals_seen;
}
void gw_instance_report_refusals(struct gw_instance *inst, const char *call_id);

/* meters.c */
int64_t gw_instance_read(int fd); /* the number in a cgroup file, or 0 */
int64_t gw_instance_cpu_us(const struct gw_instance *inst);

/* measure.c */
/* The most that it has ever used, in bytes. */
int64_t gw_instance_peak(const struct gw_instance *inst);
/* The mark since the last reset, in bytes; resets it. */
uint64_t gw_instance_take_peak(struct gw_instance *inst);
/* Before its first call: what it uses then, and the mark is reset. */
void gw_instance_measure_fresh(struct gw_instance *inst);
/* The limit to try after the kernel has killed it for memory, in bytes. */
int64_t gw_instance_advice(const struct gw_instance *inst);
/* Before a call whose own use is wanted: what calls before it have used is recorded. */
void gw_instance_measure_next(struct gw_instance *inst);
/* The most that it has used since then, in bytes. */
int64_t gw_instance_peak_now(const struct gw_instance *inst);
/* It has died: notes it if the kernel killed it for memory. */
void gw_instance_measure_death(struct gw_instance *inst);
/* After a call, with no other one begun as far as it is known: adds what the calls since the last
 * look have used to the function's record, and resets the mark. At most once per MEASURE_NS on a
 * loop. body: the length of the call's body. Lock held. */
void gw_instance_measure(struct gw_loop *loop, struct gw_instance *inst, int64_t body,
                         int64_t now_ns);

/* leaks.c */
/* After a call: what the instance keeps then. Its channel is open. */
void gw_instance_note_leak(struct gw_instance *inst);
/* It has died: what its series says is said of the function. */
void gw_instance_end_leak(struct gw_instance *inst);
/* Brings f->leak_bytes, leak_since and leak_source up to date. */
void gw_function_find_leak(struct gw_function *f);

/* idle.c */
void gw_instances_watch_idle(struct gw *gw);

#endif
