/* launcher.h: the privileged process: it makes and ends processes, and nothing
 * else. It parses no HTTP and no JSON and loads no function. */
#ifndef SANDBOX_LAUNCHER_H
#define SANDBOX_LAUNCHER_H

#ifdef UV_VERSION_MAJOR
#error "the privileged process runs without libuv"
#endif

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "cgroup/cgroup.h"
#include "err.h"
#include "filter.h"
#include "launch.h"
#include "launcher/jail.h"

#define LAUNCHER_UID_BASE    1900000000u /* above every range that systemd.io/UIDS-GIDS assigns */
#define LAUNCHER_UID_BUILD   (LAUNCHER_UID_BASE + LIMIT_INSTANCES)
#define LAUNCHER_UID_GATEWAY (LAUNCHER_UID_BASE - 1) /* where the host has no user "hearth" */
#define LAUNCHER_BUILDS      4

enum launcher_kind { LAUNCHER_FREE, LAUNCHER_WORKER, LAUNCHER_BUILDER, LAUNCHER_BLANK };

/* A sandboxed child: one slot, one uid, for its whole life. */
struct launcher_child {
    enum launcher_kind kind;
    uint64_t id;
    pid_t pid;
    int pidfd;
    int control;
    struct sbx_cgroup *leaf;
    bool asked;
    bool unfiltered;     /* it said that it was ready without its filters, and is ended */
    int object, said;    /* builder: its output files */
    int64_t deadline_ms; /* builder: CLOCK_MONOTONIC */
    uint32_t next_free;
};

/* What the launcher holds of a worker until the gateway is told of it. */
struct launcher_worker_fds {
    int channel, log_read, log_write, control_ours, control_theirs, object;
    int memory, peak, cpu;
    int bells_count, bells[LIMIT_THREADS];
};
#define LAUNCHER_NO_FDS                                                                            \
    {                                                                                              \
        .channel = -1, .log_read = -1, .log_write = -1, .control_ours = -1, .control_theirs = -1,  \
        .object = -1, .memory = -1, .peak = -1, .cpu = -1                                          \
    }

#define LAUNCHER_BLANKS      64
#define LAUNCHER_WORKER_PIDS 4u

struct launcher_blanks {
    uint32_t min, max, count;
    struct launcher_blank {
        struct launcher_child *child;
        struct launcher_worker_fds fds;
    } of[LAUNCHER_BLANKS];
    uint32_t burst, largest_burst;
    int64_t burst_since_ms, halved_ms, next_ms;
};

/* The filters of functions that are allowed more than usual, as they were used last. */
#define LAUNCHER_WIDER 8
struct launcher_filters {
    struct sbx_wider wider;
    int fd;
    bool made;
    uint64_t used; /* when, in uses of any of them */
};

/* The file of a unix socket that this process bound. */
struct launcher_socket_file {
    const char *path; /* of the option, absolute; NULL: there is none */
    dev_t dev;
    ino_t ino;
};

struct launcher_options {
    const char *listen;
    const char *admin; /* NULL: on the same listener */
    const char *state;
    const char *config; /* NULL: none */
    const char *threads;
    const char *blanks;  /* "MIN:MAX" */
    const char *build;   /* "MILLISECONDS:BYTES" */
    char **gateway_args; /* passed on, NULL-ended */
    int gateway_args_count;
};

struct launcher {
    struct launcher_options options;
    int64_t complained_ms; /* see launcher_complain */
    unsigned uncomplained;
    char prefix[256];
    uid_t gateway_uid;
    gid_t gateway_gid;
    int state_fd;
    int life; /* pidfd of this process, which children watch */
    int epoll, signals;
    int null, worker_program, builder_program;
    int filters_above; /* seccomp filters of this process, which all children inherit */
    int empty;         /* standard input of workers: no file of the host's, not even /dev/null */
    int filters;       /* the usual ones */
    struct launcher_filters wider[LAUNCHER_WIDER];
    uint64_t filters_used;
    int threads; /* loops of the gateway */
    int listeners[LIMIT_THREADS], listeners_count;
    int admin_listener;
    struct launcher_socket_file listen_file, admin_file;
    struct sbx_cgroup_tree tree;
    struct sbx_jail jail;
    /* the gateway of the moment */
    pid_t gateway_pid;
    int gateway_pidfd, gateway_sock;
    bool gateway_up;
    int restarts;
    int64_t restarts_since_ms;
    bool stopping, notified;
    int exit_status;
    struct launcher_child children[LIMIT_INSTANCES + LAUNCHER_BUILDS];
    uint32_t free_worker;
    uint32_t workers_top; /* no slot from here on was ever used */
    uint32_t builds;
    int64_t build_ms; /* longest, of a build */
    uint64_t build_bytes;
    struct launcher_blanks blanks;
};

/* Raises every wall that stands for the daemon's whole life. */
int launcher_open(struct launcher *l, struct hearth_err *err);
/* Serves until it is told to stop. The exit status of the program. */
int launcher_run(struct launcher *l);
void launcher_close(struct launcher *l);

/* children.c */
void launcher_children_init(struct launcher *l);
/* Each answers through the gateway's socket, also where it fails. */
void launcher_start(struct launcher *l, const struct launch_message *msg);
void launcher_kill(struct launcher *l, const struct launch_message *msg);
void launcher_limit(struct launcher *l, const struct launch_message *msg);
void launcher_check(struct launcher *l, const struct launch_message *msg);
/* A child's pidfd became readable. */
void launcher_child_ended(struct launcher *l, uint32_t slot);
/* Kills and reaps all children without a word to anyone. */
void launcher_children_end(struct launcher *l);
/* A slot of this kind and its user; NULL where all are taken. */
struct launcher_child *launcher_take_slot(struct launcher *l, enum launcher_kind kind, uint64_t id);
void launcher_free_slot(struct launcher *l, struct launcher_child *c);
uint32_t launcher_slot_of(const struct launcher *l, const struct launcher_child *c);
/* Ends what there is of the child, and frees its slot. */
void launcher_drop(struct launcher *l, struct launcher_child *c);
/* What a sandbox is made with: a blank has the usual. */
struct launcher_recipe {
    struct sbx_cgroup_limits limits;
    int filters;        /* not owned */
    uint64_t tmp_bytes; /* 0: no /tmp */
};
/* A sandboxed process that waits for its task. Where it fails, launcher_drop. */
int launcher_make_worker(struct launcher *l, const struct launcher_recipe *recipe,
                         struct launcher_child *c, struct launcher_worker_fds *fds,
                         struct hearth_err *err);
/* How many filters the kernel holds for the process; -1 where it does not say. */
int launcher_count_filters(pid_t pid);
void launcher_worker_fds_close(struct launcher_worker_fds *fds);
/* What a child said on its control socket before it gave up, "" for nothing. */
void launcher_last_words(int control, char *text, size_t n);
/* Opens a path below the state folder; no link in it is followed. */
int launcher_open_in_state(struct launcher *l, const char *path, uint64_t flags);

/* builds.c */
/* Answers through the gateway's socket, also where it fails. */
void launcher_build(struct launcher *l, const struct launch_message *msg);
void launcher_build_ended(struct launcher *l, struct launcher_child *c, const siginfo_t *info);
/* Milliseconds until the next builder's deadline, -1 for none; kills the late. */
int launcher_builds_check(struct launcher *l);

/* wider.c */
/* The filters for it, which the launcher owns and may close at the next call. */
int launcher_find_filters(struct launcher *l, const struct sbx_wider *wider, int *filters,
                          struct hearth_err *err);

/* blanks.c */
/* One that waits, its descriptors in fds, fds->object kept; NULL where there is none. */
struct launcher_child *launcher_blank_take(struct launcher *l, struct launcher_worker_fds *fds);
/* Makes one where one is missing and due; milliseconds until the next is due, -1: none. */
int launcher_blanks_fill(struct launcher *l);
void launcher_blank_ended(struct launcher *l, const struct launcher_child *c);

void launcher_tell(struct launcher *l, struct launch_message *msg, const int *fds, unsigned n);
int64_t launcher_now_ms(void);
/* What could not be made, to the log: one line a second, which tells how many it left out. */
void launcher_complain(struct launcher *l, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Watches fd in the loop under this tag; 0 or a negative errno. */
int launcher_watch(struct launcher *l, int fd, uint64_t tag);

enum launcher_tag {
    LAUNCHER_TAG_SIGNALS = 1,
    LAUNCHER_TAG_GATEWAY,
    LAUNCHER_TAG_GATEWAY_END,
    LAUNCHER_TAG_CHILD /* + slot */
};

/* sockets.c: binds "ADDR:PORT" (count times with SO_REUSEPORT where count > 1) or
 * "unix:PATH"; fills fds, and file for a unix socket. */
int launcher_bind(const char *address, int count, int *fds, struct launcher_socket_file *file,
                  struct hearth_err *err);
/* Removes the file that launcher_bind made, where it still stands there. */
void launcher_unbind(struct launcher_socket_file *file);

#endif
