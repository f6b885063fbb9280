/* harness.h: starts a daemon for a test and makes HTTP requests. If the harness itself fails, the
 * running test fails with a message. */
#ifndef TESTS_E2E_HARNESS_H
#define TESTS_E2E_HARNESS_H

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <cmocka.h>

struct daemon {
    pid_t pid; /* hearthd, which becomes the launcher */
    int port;
    char state[128];
    bool mounted;    /* daemon_mount_state made it */
    char prefix[64]; /* "": HEARTH_PREFIX */
    char log[160];
    char token[65];
    char url[64];
    const char *ca;  /* the daemon speaks TLS, with a certificate of this file; NULL: it does not */
    int port_wanted; /* 0: a free one */
    bool listens_elsewhere; /* at `port`, which the test has set, whatever --listen says */
    void (*prepare)(void);  /* called in the child before it executes hearthd; NULL: nothing */
};

/* The state folder is a new tmpfs of `size` ("12m"), until daemon_remove: for a full disk, or one
 * whose pace the test does not depend on. Before daemon_start. */
void daemon_mount_state(struct daemon *d, const char *size);
/* Starts hearthd from HEARTH_PREFIX on a free port, with HEARTH_THREADS event loops if that is set.
 * The state folder is d->state, or a new one if that is "". Waits until the daemon is ready. */
void daemon_start(struct daemon *d);
void daemon_start_with(struct daemon *d, const char *const *options);
/* The same for a daemon that must fail to start: waits for its exit. Returns the exit status, or -1
 * if a signal killed it. Call daemon_remove afterwards. */
int daemon_start_failing(struct daemon *d, const char *const *options);
/* The same from a separate installation in d->prefix, in which libexec/hearth/PROGRAM is replaced
 * by another program: `other`, from the folder HEARTH_ROGUES. daemon_remove removes it. */
void daemon_start_with_rogue(struct daemon *d, const char *program, const char *other);
/* Sends SIGTERM and waits. Returns the exit status, or -1 if a signal killed the daemon. */
int daemon_stop(struct daemon *d);
/* Stops the daemon and removes its state folder. */
void daemon_remove(struct daemon *d);
/* For `prepare`: preloads the library that the environment variable names. */
void preload_library(const char *variable);
/* Setup and teardown of cmocka groups: *state is a struct daemon. */
int group_start(void **state);
int group_stop(void **state);

struct reply {
    long status;
    char *body; /* followed by a NUL that is not counted */
    size_t len;
    char *fields; /* the head as received */
    json_t *json; /* the body, if it is JSON */
    int error;    /* of the transfer: 0, or libcurl's code */
};

struct request {
    const char *method; /* NULL: GET */
    const char *path;
    const char *const *fields; /* "Name: value"; the last one is NULL; may be NULL */
    const void *body;
    size_t len;
    bool chunked;
    bool http10;
    bool no_token;
    long timeout_s; /* for the whole transfer; 0: a minute */
};

struct reply http(const struct daemon *d, const struct request *r);
struct reply get(const struct daemon *d, const char *path);
/* GET /v1/functions/NAME/WHAT, which must be answered with 200 and JSON; what: "memory", ... */
struct reply get_of(const struct daemon *d, const char *name, const char *what);
/* The first instance of a function that has one. */
pid_t instance_pid(const struct daemon *d, const char *name);
struct reply post(const struct daemon *d, const char *path, const void *body, size_t len);
struct reply put(const struct daemon *d, const char *path, const char *type, const void *body,
                 size_t len);
struct reply patch(const struct daemon *d, const char *path, const char *json);
void reply_free(struct reply *r);
/* GET of path must be answered with 200 and this body. */
void expect_body(const struct daemon *d, const char *path, const char *body);
/* Copies the value of a header field into buf; NULL if it is absent. */
const char *reply_field(const struct reply *r, const char *name, char *buf, size_t n);
/* A member of the JSON body as text or number. Fails the test if it is absent. */
const char *reply_text(const struct reply *r, const char *name);
json_int_t reply_number(const struct reply *r, const char *name);

/* PUT of a C source with settings such as "memory=16M&timeout=1s". */
struct reply deploy(const struct daemon *d, const char *name, const char *settings,
                    const char *source);
/* The same; fails the test unless the deploy succeeds. */
void deploy_ok(const struct daemon *d, const char *name, const char *settings, const char *source);
void deploy_file(const struct daemon *d, const char *name, const char *settings, const char *path);

/* raw_connect: a new connection. The others send raw bytes, and receive until the peer closes or
 * `until` arrives. */
int raw_connect(const struct daemon *d);
/* To a port of this host; -1: nobody listens. */
int raw_try(int port);
void raw_send(int fd, const void *bytes, size_t n);
char *raw_receive(int fd, const char *until);
void raw_send_text(int fd, const char *text);

/* So many GETs at once, each on a connection of its own: where each takes long enough, each needs
 * an instance. Each response must have the text. count: at most 16. */
void call_at_once(const struct daemon *d, const char *path, int count, const char *expected);

/* What waits for slow clients, in "memory" or on "disk"; and conditions of it. user: the daemon. */
long long waiting_bytes(const struct daemon *d, const char *where);
bool nothing_waits(void *user);
bool disk_is_used(void *user);
/* CLOCK_MONOTONIC */
int64_t harness_now_ms(void);

/* Deadlines are this many times as long: 1, or more in a slow machine (HEARTH_PATIENCE). */
int harness_patience(void);
/* Polls until condition(user) is true. Fails the test with `what` at the deadline. */
void wait_for(const char *what, bool (*condition)(void *user), void *user);

/* Waits until a number in GET /v1/functions/NAME has the value: `member`, or `object.member` if
 * object is not NULL. */
void wait_for_figure(const struct daemon *d, const char *name, const char *object,
                     const char *member, json_int_t value);

/* Waits until the daemon's log contains the text. */
void wait_for_log(const struct daemon *d, const char *text);
bool daemon_said(const struct daemon *d, const char *text);

/* Counts the processes below root whose /proc/PID/comm begins with `comm`. */
int count_processes(pid_t root, const char *comm);
bool is_below(pid_t pid, pid_t root); /* whether it is root or a descendant of it */
pid_t find_process(pid_t root, const char *comm);
/* The two numbers of the line "Name   SOFT   HARD   units" in /proc/PID/limits, separated by one
 * space. Fails the test if the line is absent. */
const char *proc_limit(pid_t pid, const char *name, char *buf, size_t n);
/* Waits for a process of that name, not running as root, whose crash starts no program on the host.
 * It must not be dumpable (its files in /proc belong to root), and its core limit must be one byte,
 * for which the kernel does not start a core-dump handler. executed: it was started by execve,
 * which makes any process dumpable again: only the limit is checked. */
void expect_no_core(pid_t root, const char *comm, bool executed);
/* Copies the value of the line "Name:\tvalue" in /proc/PID/status into buf. Fails the test if it
 * is absent. */
const char *proc_status(pid_t pid, const char *name, char *buf, size_t n);

char *read_whole(const char *path, size_t *len);
/* Fills with random bytes; prints the seed. */
void fill_random(void *bytes, size_t n);

#endif
