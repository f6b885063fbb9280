/* harness.h: a daemon of the test's own, and an HTTP client, for end-to-end tests.
 * Every failure of the harness itself fails the running test with a message.
 */
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
    pid_t pid; /* hearthd, which is the launcher */
    int port;
    char state[128];
    char prefix[64]; /* "": HEARTH_PREFIX */
    char log[160];
    char token[65];
    char url[64];
    void (*prepare)(void); /* called by the process that then becomes hearthd; NULL: nothing */
};

/* Starts hearthd from HEARTH_PREFIX on a free port with a fresh state folder, or
 * with the one in d->state where that is set; with HEARTH_THREADS event loops, where
 * that is set; waits until it is ready. */
void daemon_start(struct daemon *d);
void daemon_start_with(struct daemon *d, const char *const *options);
/* The same for one that cannot start: waits for its end. The exit status, or -1 where a signal
 * ended it. daemon_remove it. */
int daemon_start_failing(struct daemon *d, const char *const *options);
/* The same from an installation of its own, in d->prefix, in which another program stands in
 * the place of libexec/hearth/PROGRAM; other: one of the folder HEARTH_ROGUES. Removed by
 * daemon_remove. */
void daemon_start_with_rogue(struct daemon *d, const char *program, const char *other);
/* SIGTERM, then waits; the exit status, or -1 where a signal ended it. */
int daemon_stop(struct daemon *d);
/* Stops it and removes the state folder. */
void daemon_remove(struct daemon *d);
/* For cmocka's groups: *state is a struct daemon. */
int group_start(void **state);
int group_stop(void **state);

struct reply {
    long status;
    char *body; /* ended by a NUL that is not counted */
    size_t len;
    char *fields; /* the head, as it came */
    json_t *json; /* the body, where it is JSON */
    int error;    /* of the transfer: 0, or libcurl's code */
};

struct request {
    const char *method; /* GET where NULL */
    const char *path;
    const char *const *fields; /* "Name: value", NULL-ended; may be NULL */
    const void *body;
    size_t len;
    bool chunked;
    bool http10;
    bool no_token;
};

struct reply http(const struct daemon *d, const struct request *r);
struct reply get(const struct daemon *d, const char *path);
struct reply post(const struct daemon *d, const char *path, const void *body, size_t len);
struct reply put(const struct daemon *d, const char *path, const char *type, const void *body,
                 size_t len);
struct reply patch(const struct daemon *d, const char *path, const char *json);
void reply_free(struct reply *r);
/* The value of a field of the head in buf, or NULL. */
const char *reply_field(const struct reply *r, const char *name, char *buf, size_t n);
/* A member of the JSON body as text or number; fails the test where it is absent. */
const char *reply_text(const struct reply *r, const char *name);
json_int_t reply_number(const struct reply *r, const char *name);

/* PUT of a C source with these settings ("memory=16M&timeout=1s"); the status. */
struct reply deploy(const struct daemon *d, const char *name, const char *settings,
                    const char *source);
/* The same, and fails the test unless it was taken. */
void deploy_ok(const struct daemon *d, const char *name, const char *settings, const char *source);
void deploy_file(const struct daemon *d, const char *name, const char *settings, const char *path);

/* A new connection; raw bytes in, and out until the peer closes or `until` came. */
int raw_connect(const struct daemon *d);
void raw_send(int fd, const void *bytes, size_t n);
char *raw_receive(int fd, const char *until);

/* Polls until condition(user) or the deadline; fails the test with `what`. */
void wait_for(const char *what, bool (*condition)(void *user), void *user);

/* Waits until a number of GET /v1/functions/NAME has that value: `member`, or
 * `object.member` where object is not NULL. */
void wait_for_figure(const struct daemon *d, const char *name, const char *object,
                     const char *member, json_int_t value);

/* Waits until the daemon's log holds the text. */
void wait_for_log(const struct daemon *d, const char *text);

/* Processes whose /proc/PID/comm begins with `comm` and that descend from root. */
int count_processes(pid_t root, const char *comm);
bool is_below(pid_t pid, pid_t root); /* root, or a descendant of it */
pid_t find_process(pid_t root, const char *comm);
/* The two numbers of a line "Name   SOFT   HARD   units" of /proc/PID/limits, with one space
 * between them; fails the test if absent. */
const char *proc_limit(pid_t pid, const char *name, char *buf, size_t n);
/* Waits for a process of that name, not root's, whose crash starts nothing on the host: it
 * may not be dumped (its files in /proc belong to root), and its limit of cores is one byte,
 * which the kernel takes as "no program for crashes". Where `executed` is true it was started
 * by execve, which makes any process dumpable again: then its limit alone. */
void expect_no_core(pid_t root, const char *comm, bool executed);
/* A line "Name:\tvalue" of /proc/PID/status in buf; fails the test if absent. */
const char *proc_status(pid_t pid, const char *name, char *buf, size_t n);

char *read_whole(const char *path, size_t *len);
/* Random bytes from a seed that is printed. */
void fill_random(void *bytes, size_t n);

#endif
