/* gateway.h: the records of the gateway, and what its parts call of each other.
 * One thread: the loop. What runs in the thread pool touches none of these.
 */
#ifndef GATEWAY_GATEWAY_H
#define GATEWAY_GATEWAY_H

#include <jansson.h>
#include <llhttp.h>
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
struct gw_conn;
struct gw_call;
struct gw_instance;
struct gw_function;
struct gw_deploy;
struct gw_journal;

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
    bool changing;              /* its files are being written */
    struct gw_request *changes; /* that wait for it, oldest first */
    char last_failure[256];     /* why the last instance could not be started */
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
    struct gw *gw;
    struct gw_call *next_free;
    struct gw_conn *conn; /* NULL: the client has gone, or was answered */
    struct gw_function *function;
    struct gw_instance *instance;
    uint64_t serial;
    struct gw_timer deadline;
    struct gw_buffer *head;    /* encoded; kept until the call has ended */
    const unsigned char *body; /* small body, still in the read buffer */
    size_t body_len;
    struct gw_buffer *stash; /* body that the ring had no room for */
    int64_t body_seen;       /* bytes of it so far */
    bool submitted, head_sent, body_complete, end_sent;
    bool resendable; /* head and body are whole in `head` */
    bool response_begun, bodiless, finished;
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

struct gw_instance {
    UT_hash_handle hh; /* by id */
    uint64_t id;
    struct gw *gw;
    struct gw_function *function;
    struct gw_instance *next, *prev; /* of its function */
    struct gw_instance *busy_next, *busy_prev;
    bool busy;             /* in the loop's list: something is expected of it */
    struct sch_slot *slot; /* NULL: it checks a deploy */
    struct gw_deploy *deploy;
    uint32_t version;
    enum gw_instance_phase phase;
    bool broken; /* it broke the protocol, and is being ended */
    bool killed;
    bool dead; /* what the launcher said stands in death */
    struct launch_died death;
    char unfit[192];               /* why it could not serve, in its own words */
    int64_t launched_ns, start_ns; /* when asked for; how long until it was ready */
    struct chan chan;
    size_t room_wanted; /* in the ring, before more can be sent; 0: nothing waits */
    bool unsent;        /* calls behind the first wait for room in the ring */
    bool sent;          /* wake the worker if it sleeps */
    bool near;          /* it was told to run on the loop's core */
    bool made_room;     /* wake it if it sleeps until there is room */
    bool open;          /* the channel and the descriptors below are */
    uv_poll_t bell, log;
    int bell_fd, log_fd, memory_fd, peak_fd, cpu_fd;
    int closing; /* handles whose close callback is due */
    bool cpu_in_usec;
    int32_t pid;
    int64_t limit_bytes;
    int64_t born_ms;
    uint64_t calls;
    bool blocked;              /* a slow client holds the response ring */
    struct gw_timer timer;     /* start, or retirement, takes too long */
    struct gw_patch *patch;    /* who waits for LAUNCH_LIMITED */
    struct gw_timer hushed;    /* it made too much noise */
    uint32_t rings, log_bytes; /* for nothing in a row; since the last hush */
    char *log_line;            /* an unfinished line of output */
    uint32_t log_len;
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
    struct gw *gw;
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
    bool has_host, expects_continue;
    enum gw_code bad; /* why a callback stopped the parser, where stopped */
    bool stopped;
    struct gw_call *call;
    struct gw_request *admin;
    bool started, message_complete, responded, head_only, chunked;
    bool close_after, lingering, closing, feeding, advancing, reading, head_done;
    bool http10;
    /* bytes that came before their turn */
    struct gw_buffer *early;
    int64_t discarded;          /* bytes of a body that nobody wanted */
    uint32_t writes;            /* not yet done */
    struct gw_instance *blocks; /* waits until this connection's writes are done */
};

/* ---- the gateway ---- */

struct gw {
    uv_loop_t *loop;
    struct gw_config config;
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
    int64_t alarm_ns; /* when it goes off; INT64_MAX: it is not set */
    uv_prepare_t prepare;
    uv_check_t check;
    uv_idle_t spin; /* active while the loop must not sleep */
    union {
        uv_tcp_t tcp;
        uv_pipe_t pipe;
        uv_stream_t stream;
        uv_handle_t handle;
    } listeners[LIMIT_THREADS + 1];
    int listeners_count;
    bool admin_alone;
    struct launch_client launcher;
    struct sch *sch;
    bool acting;
    struct gw_function *functions;
    struct gw_instance *instances;
    struct gw_instance *busy;
    struct gw_call *free_calls;
    struct gw_conn *conns;
    uint32_t conns_count;
    uint64_t next_serial, next_instance, next_build;
    uint64_t id_seed;
    bool draining, ready;
    int64_t drain_by_ms;
    char token[65];
    char date[40];
    int64_t date_s;
    uint64_t conns_total, launches_total, kills_total;
    struct gw_deploy *deploys; /* waiting and running */
    unsigned deploys_running;
    unsigned char read_buffer[64 * 1024];
};

int64_t gw_now_ns(void);
static inline int64_t
gw_now_ms(void)
{
    return gw_now_ns() / 1000000;
}
/* Arms a timer of the wheel, `after_ms` from now; keeps the wheel turning. */
void gw_timer_set(struct gw *gw, struct gw_timer *timer, int64_t after_ms,
                  void (*fire)(struct gw_timer *));
void gw_timer_unset(struct gw *gw, struct gw_timer *timer);
void gw_keep_ticking(struct gw *gw);

/* server.c */
int gw_server_open(struct gw *gw, int first_fd, int count, bool admin, struct hearth_err *err);
void gw_server_drain(struct gw *gw);
/* Ends the loop once nothing runs any more. */
void gw_server_check_drained(struct gw *gw);

/* parse.c */
const llhttp_settings_t *gw_parser_settings(void);
/* Something has to happen within the time for a head, or the connection closes. */
void gw_conn_expect_progress(struct gw_conn *conn);

/* connection.c */
void gw_conn_accept(struct gw *gw, uv_stream_t *listener, bool calls, bool admin);
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
void gw_answer(struct gw_conn *conn, int status, const char *type, const char *fields,
               const void *body, size_t len);
void gw_answer_json(struct gw_conn *conn, int status, json_t *body); /* takes the reference */
/* facts: an object whose members are added, or NULL; takes the reference. */
void gw_answer_problem(struct gw_conn *conn, enum gw_code code, const char *call_id, json_t *facts,
                       const char *fmt, ...) __attribute__((format(printf, 5, 6)));
const char *gw_code_name(enum gw_code code);
int gw_code_status(enum gw_code code);
const char *gw_date(struct gw *gw);
const char *gw_status_text(int status);

/* call.c */
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
void gw_call_make_id(struct gw *gw, char *id);

/* response.c: one frame of a response. 1: go on; 0: the client is slow, come back
 * when it has taken it; -EPROTO: the worker broke the protocol. */
int gw_response_frame(struct gw_call *call, const struct frame *frame);

/* dispatch.c */
void gw_dispatch(struct gw *gw); /* carries out what the scheduler decided */
void gw_dispatch_attach(struct gw *gw);

/* instance.c */
struct gw_instance *gw_instance_launch(struct gw *gw, struct gw_function *function,
                                       uint32_t version, bool staged, struct sch_slot *slot,
                                       struct gw_deploy *deploy);
void gw_instance_kill(struct gw_instance *inst);
void gw_instance_send_limit(struct gw_instance *inst); /* the function's memory limit of now */
void gw_instance_retire(struct gw_instance *inst);
void gw_instance_poll(struct gw_instance *inst);
void gw_instance_busy(struct gw_instance *inst, bool busy);
void gw_instance_wake(struct gw_instance *inst); /* for what was sent and consumed since */
void gw_instance_on_message(struct gw *gw, const struct launch_message *msg, int *fds, unsigned n);
int64_t gw_instance_read(int fd); /* the number in a meter, or 0 */
int64_t gw_instance_cpu_us(const struct gw_instance *inst);

/* function.c */
struct gw_function *gw_function_find(struct gw *gw, const char *name, size_t len);
struct gw_function *gw_function_add(struct gw *gw, const char *name);
void gw_function_release(struct gw *gw, struct gw_function *f); /* frees a removed, unused one */
void gw_function_remove(struct gw *gw, struct gw_function *f);
void gw_function_apply(struct gw *gw, struct gw_function *f, bool renew_instances);
json_t *gw_function_json(const struct gw_function *f);
json_t *gw_function_instances_json(const struct gw_function *f);
json_t *gw_function_versions_json(const struct gw_function *f);
struct gw_version *gw_function_version(struct gw_function *f, uint32_t number);

/* journal.c: the last lines of a function's log */
void gw_journal_add(struct gw_function *f, uint64_t instance, const char *line, size_t n);
char *gw_journal_text(const struct gw_function *f, unsigned lines, size_t *len);
void gw_journal_free(struct gw_journal *journal);

/* metrics.c */
char *gw_metrics_text(struct gw *gw, size_t *len);

#endif
