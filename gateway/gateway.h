/* gateway.h: the records of the gateway, and what its parts call of each other.
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

#include <jansson.h>
#include <llhttp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <uthash.h>
#include <uv.h>

#include "channel.h"
#include "config.h"
#include "launch.h"
#include "launch_client.h"
#include "limits.h"
#include "pool.h"
#include "scheduler.h"
#include "wheel.h"

struct gw;
struct gw_loop;
struct gw_conn;
struct gw_call;
struct gw_instance;
struct gw_function;
struct gw_deploy;
struct gw_journal;
struct gw_bad_setting;

/* ---- mail between loops ---- */

/* Embedded in what is sent; in one inbox at a time, and its record stays until then. */
struct gw_mail {
    struct gw_mail *next;
    void (*deliver)(struct gw_loop *loop, struct gw_mail *mail); /* runs on that loop */
};

/* ---- functions ---- */

/* Every code of a problem; one list, and the counters' names come from it. */
#define GW_CODES(X)                                                                                \
    X(FUNCTION_NOT_FOUND, "function_not_found", 404, "no such function")                           \
    X(BAD_REQUEST, "bad_request", 400, "the request is not HTTP as it should be")                  \
    X(BODY_TOO_LARGE, "body_too_large", 413, "the body is too large")                              \
    X(HEADERS_TOO_LARGE, "headers_too_large", 431, "the header fields are too large")              \
    X(OVERLOADED, "overloaded", 503, "too many calls wait already")                                \
    X(TIMEOUT, "timeout", 504, "the function ran too long")                                        \
    X(FUNCTION_FAILED, "function_failed", 500, "the function failed")                              \
    X(FUNCTION_CRASHED, "function_crashed", 502, "the function crashed")                           \
    X(MEMORY_EXCEEDED, "memory_exceeded", 502, "the function used more memory than its limit")     \
    X(FORBIDDEN_SYSCALL, "forbidden_syscall", 502, "the function made a forbidden system call")    \
    X(INIT_FAILED, "init_failed", 502, "the function could not be started")                        \
    X(DRAINING, "draining", 503, "the daemon is stopping")                                         \
    X(UNAUTHORIZED, "unauthorized", 401, "the token is missing or wrong")                          \
    X(FORBIDDEN, "forbidden", 403, "the request may not come from there")                          \
    X(NOT_FOUND, "not_found", 404, "nothing is here")                                              \
    X(METHOD_NOT_ALLOWED, "method_not_allowed", 405, "this method is not served here")             \
    X(BAD_NAME, "bad_name", 400, "this is no name of a function")                                  \
    X(BAD_SETTING, "bad_setting", 400, "a setting is unknown or out of range")                     \
    X(BAD_BUNDLE, "bad_bundle", 400, "the bundle cannot be used")                                  \
    X(BAD_JSON, "bad_json", 400, "the body is not the JSON that is wanted")                        \
    X(UNSUPPORTED_TYPE, "unsupported_media_type", 415, "this type of body is not taken")           \
    X(VERSION_NOT_FOUND, "version_not_found", 404, "no such version")                              \
    X(BUILD_FAILED, "build_failed", 422, "the function could not be built")                        \
    X(STORAGE_FAILED, "storage_failed", 507, "the state folder could not be written")              \
    X(INTERNAL, "internal", 500, "something broke in the platform")

enum gw_code {
#define X(name, text, status, title) GW_##name,
    GW_CODES(X)
#undef X
        GW_CODE_COUNT
};

struct gw_env {
    char *bytes; /* "NAME=value", each ended by a NUL; NULL for none */
    uint32_t len;
};

/* All settings of a function: the numbers that the scheduler knows, and the rest. */
struct gw_settings {
    struct sch_settings numbers;
    char libs[LIMIT_LIBS][LIMIT_LIB_NAME + 1];
    uint32_t libs_count;
    uint64_t syscalls; /* bits: sbx_extra_bit */
    struct gw_env env; /* owned */
};

struct gw_version {
    struct gw_version *next; /* newest first */
    uint32_t number;
    int64_t created_ms; /* since 1970 */
    int64_t object_bytes;
};

struct gw_function {
    UT_hash_handle hh;
    char name[LIMIT_NAME + 1];
    struct sch_function sch; /* its settings are a copy of settings.numbers */
    struct gw_settings settings;
    uint32_t live;   /* the version that serves; 0 before the first */
    uint32_t newest; /* the highest number ever used */
    struct gw_version *versions;
    uint32_t refs; /* calls and deploys that hold the record */
    bool removed;
    bool deleting;              /* its files are being removed: no new calls */
    bool changing;              /* its files are being written */
    struct gw_request *changes; /* that wait for it, oldest first */
    char last_failure[256];     /* why the last instance could not be started */
    uint32_t unserved_deaths;   /* in a row: of instances that were ready, and served no call */
    uint64_t unserved_since;    /* `calls` at the last of them */
    struct gw_journal *journal;
    struct gw_instance *instances;
    /* since the gateway started */
    uint64_t calls, cold_starts, errors[GW_CODE_COUNT];
    uint64_t run_ns_total, queue_ns_total;
    uint64_t peak_bytes;
};

/* ---- calls and instances ---- */

struct gw_call {
    struct sch_call sch; /* first: the scheduler gives it back */
    struct gw_loop *loop;
    struct gw_call *next; /* behind it in the same instance, or in the free list */
    struct gw_conn *conn; /* NULL: the client has gone, or was answered */
    struct gw_function *function;
    struct gw_instance *instance;
    uint64_t serial;
    int64_t timeout_ms, max_body; /* the function's, when the call came */
    struct gw_timer deadline;
    struct gw_buffer *head;    /* encoded; kept until the call has ended */
    const unsigned char *body; /* small body, still in the read buffer */
    size_t body_len;
    struct gw_buffer *stash; /* body that the ring had no room for */
    int64_t body_seen;       /* bytes of it so far */
    bool submitted, head_sent, body_complete, end_sent;
    bool resendable; /* head and body are whole in `head` */
    bool response_begun, bodiless, finished;
    uint8_t unbegun;       /* instances that died and had not begun it, by their own word */
    int aborted;           /* why no more of the body comes; 0: it does */
    uint64_t position;     /* of its frame in the ring, once sent */
    int64_t declared_left; /* of the response's Content-Length; -1: none */
    char id[LIMIT_CALL_ID + 1];
};

enum gw_instance_phase {
    GW_INSTANCE_LAUNCHING,
    GW_INSTANCE_LOADING,
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
    int64_t service_ns; /* what a call of it is expected to take; 0: not known */
    size_t room_wanted; /* in the ring, before more can be sent; 0: nothing waits */
    bool unsent;        /* calls behind the first wait for room in the ring */
    bool sent;          /* wake the worker if it sleeps */
    bool made_room;     /* wake it if it sleeps until there is room */
    bool near;          /* it was told to run on the loop's core */
    bool blocked;       /* a slow client holds the response ring */
    bool watched;       /* the bell below is open */
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
    struct sch_slot *slot;           /* NULL: it checks a deploy */
    struct gw_deploy *deploy;
    uint32_t version;
    enum gw_instance_phase phase;
    bool broken; /* it broke the protocol, and is being ended */
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
    struct gw_timer timer;  /* start, or retirement, takes too long */
    struct gw_patch *patch; /* who waits for LAUNCH_LIMITED */
    bool log_watched;
    struct gw_timer log_pause;
    uint32_t log_bytes; /* since the last pause */
    char *log_line;     /* an unfinished line of output */
    uint32_t log_len;
    struct gw_link links[]; /* one per loop */
};

/* ---- connections ---- */

enum gw_route { GW_ROUTE_NONE, GW_ROUTE_CALL, GW_ROUTE_ADMIN, GW_ROUTE_DISCARD };

struct gw_request; /* of /v1: admin.h */

struct gw_conn {
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } u;
    struct gw_loop *loop;
    struct gw_conn *next, *prev;
    llhttp_t parser;
    struct gw_timer timer;
    bool serves_calls, serves_admin, admin_alone;
    /* the request that is being read or answered */
    enum gw_route route;
    struct gw_buffer *head;
    uint32_t field_at, name_len, fields;
    struct frame_request request;   /* what is known of the head so far */
    uint32_t name_at, function_len; /* the function's name within the target */
    char call_id[LIMIT_CALL_ID + 1];
    bool has_host, has_two_hosts, expects_continue;
    enum gw_code bad; /* why a callback stopped the parser, where stopped */
    bool stopped;
    struct gw_call *call;
    struct gw_request *admin;
    bool started, message_complete, responded, head_only, chunked;
    int retry_after_s; /* for a refusal; 0: soon */
    bool close_after, lingering, closing, feeding, advancing, reading, head_done;
    bool http10;
    /* bytes that came before their turn */
    struct gw_buffer *early;
    int64_t discarded;      /* bytes of a body that nobody wanted */
    uint32_t writes;        /* not yet done */
    struct gw_link *blocks; /* waits until this connection's writes are done */
};

/* ---- the gateway ---- */

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
    union {
        uv_tcp_t tcp;
        uv_pipe_t pipe;
        uv_stream_t stream;
        uv_handle_t handle;
    } listeners[2]; /* for calls; on the main loop perhaps another for operators */
    int listeners_count;
    bool acting;
    struct gw_link *busy; /* whose channels are this loop's */
    struct gw_call *free_calls;
    struct gw_conn *conns, *conns_last; /* newest first */
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
    uint32_t conns_max;    /* of all loops together: see gw_conn_accept */
    int64_t full_said_ms;  /* when the log was told last that there are so many */
    uv_timer_t idle_watch; /* of idle instances: see instance.c */
    bool idle_watched;
    struct launch_client launcher;
    struct sch *sch;
    struct gw_function *functions;
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

/* server.c */
int gw_server_open(struct gw *gw, int first_fd, int count, bool admin, struct hearth_err *err);
void gw_server_drain(struct gw *gw);
/* Ends the loop once nothing runs any more. */
void gw_server_check_drained(struct gw_loop *loop);

/* parse.c */
const llhttp_settings_t *gw_parser_settings(void);
/* Something has to happen within the time for a head, or the connection closes. */
void gw_conn_expect_progress(struct gw_conn *conn);

/* connection.c */
void gw_conn_accept(struct gw_loop *loop, uv_stream_t *listener, bool calls, bool admin);
void gw_conn_close(struct gw_conn *conn);
/* Closes so that the client can tell that the response is not whole. */
void gw_conn_cut(struct gw_conn *conn);
/* Reads on, where reading had stopped. */
void gw_conn_read_on(struct gw_conn *conn);
void gw_conn_read_stop(struct gw_conn *conn);
/* The value of a field of the request's head, or NULL. Not for the hot path. */
const char *gw_conn_field(const struct gw_conn *conn, const char *name);
/* Writes these pieces in order; copies what the socket does not take at once.
 * Returns false where that had to wait. */
bool gw_conn_write(struct gw_conn *conn, uv_buf_t *pieces, unsigned n);
/* The response has been written whole: the next request may be read. */
void gw_conn_responded(struct gw_conn *conn);

/* answer.c: responses that the platform makes */
struct gw_answer {
    int status;
    const char *type; /* a constant */
    char fields[160]; /* that go with it, each ended by CRLF */
    char *body;       /* from malloc; NULL for none */
    size_t len;
};
void gw_answer(struct gw_conn *conn, int status, const char *type, const char *fields,
               const void *body, size_t len);
/* facts: an object whose members are added, or NULL; takes the reference. */
void gw_answer_problem(struct gw_conn *conn, enum gw_code code, const char *call_id, json_t *facts,
                       const char *fmt, ...) __attribute__((format(printf, 5, 6)));
/* The same as an answer to be given later. Takes the reference. */
void gw_problem_make(struct gw_answer *answer, enum gw_code code, const char *call_id,
                     int retry_after_s, json_t *facts, const char *detail);
const char *gw_code_name(enum gw_code code);
int gw_code_status(enum gw_code code);
const char *gw_date(struct gw_loop *loop);
const char *gw_status_text(int status);

/* call.c */
/* With the lock held. NULL without memory. */
struct gw_call *gw_call_new(struct gw_conn *conn, struct gw_function *function);
void gw_call_free(struct gw_call *call);
void gw_call_body(struct gw_call *call, const unsigned char *bytes, size_t n);
void gw_call_submit(struct gw_call *call);
void gw_call_body_end(struct gw_call *call);
/* The client has gone, or the platform answered: the call goes on without it. */
void gw_call_detach(struct gw_call *call, int why);
/* Makes head and body one piece, so that it can be sent more than once: for a call
 * that is sent ahead. False without memory. */
bool gw_call_keep_whole(struct gw_call *call);
/* It was not begun, and waits for another instance: as if it had never been sent. */
void gw_call_unsend(struct gw_call *call);
/* Moves what there is of head and body into the ring. */
void gw_call_pump(struct gw_call *call);
/* Answers, or closes the connection where the response has begun. */
void gw_call_problem(struct gw_call *call, enum gw_code code, json_t *facts, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
void gw_call_make_id(struct gw_loop *loop, char *id);

/* response.c: one frame of a response. 1: go on; 0: the client is slow, come back
 * when it has taken it; -EPROTO: the worker broke the protocol. */
int gw_response_frame(struct gw_call *call, const struct frame *frame);
void gw_response_init(void); /* once, before the first */

/* dispatch.c */
void gw_dispatch(struct gw_loop *loop); /* carries out what the scheduler decided for it */
void gw_dispatch_attach(struct gw_loop *loop);

/* instance.c */
struct gw_instance *gw_instance_launch(struct gw *gw, struct gw_function *function,
                                       uint32_t version, bool staged, struct sch_slot *slot,
                                       struct gw_deploy *deploy);
void gw_instance_kill(struct gw_instance *inst);
void gw_instance_send_limit(struct gw_instance *inst); /* the function's memory limit of now */
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
/* A call of it goes elsewhere: it is no longer in the list. */
void gw_link_remove(struct gw_link *link, struct gw_call *call);
/* Closes the bell, where it is open; lets go of the instance then. */
void gw_link_close(struct gw_link *link);

/* function.c */
struct gw_function *gw_function_find(struct gw *gw, const char *name, size_t len);
struct gw_function *gw_function_add(struct gw *gw, const char *name);
void gw_function_release(struct gw *gw, struct gw_function *f); /* frees a removed, unused one */
void gw_function_remove(struct gw *gw, struct gw_function *f);
void gw_function_apply(struct gw *gw, struct gw_function *f, bool renew_instances);
void gw_function_count_error(struct gw *gw, struct gw_function *f, enum gw_code code);
json_t *gw_function_json(const struct gw_function *f);
json_t *gw_function_instances_json(const struct gw_function *f);
json_t *gw_function_versions_json(const struct gw_function *f);
/* Whether what min keeps fits the memory budget; f: NULL for a new one. */
int gw_function_check_room(struct gw *gw, const struct gw_function *f,
                           const struct gw_settings *settings, struct gw_bad_setting *bad);
struct gw_version *gw_function_version(struct gw_function *f, uint32_t number);

/* journal.c: the last lines of a function's log */
void gw_journal_add(struct gw_function *f, uint64_t instance, const char *line, size_t n);
char *gw_journal_text(const struct gw_function *f, unsigned lines, size_t *len);
void gw_journal_free(struct gw_journal *journal);

/* metrics.c */
char *gw_metrics_text(struct gw *gw, size_t *len);

#endif
