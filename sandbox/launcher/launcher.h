/* launcher.h: the records of the launcher, the privileged process: it makes and ends
 * processes, and nothing else. It parses no HTTP and no JSON and loads no function. It alone
 * holds root, the listening sockets and the tree of control groups; it outlives any gateway
 * and takes every child with it.
 *
 * Data only. What each file does with it is in that file's own header. Calls go one way:
 *   main, start, loop | instances, builds | gateway | blanks, forks | worker, extra_filters |
 *   exporter, broker | service | child | zone | jail, spawn, sockets, report, watch
 */
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

#define LAUNCHER_UID_BASE     1900000000u /* above all ranges of systemd.io/UIDS-GIDS */
#define LAUNCHER_UID_BUILD    (LAUNCHER_UID_BASE + LIMIT_INSTANCES)
#define LAUNCHER_UID_GATEWAY  (LAUNCHER_UID_BASE - 1) /* where the host has no user "hearth" */
#define LAUNCHER_UID_EXPORTER (LAUNCHER_UID_BASE - 2)
#define LAUNCHER_UID_BROKER   (LAUNCHER_UID_BASE - 3)
#define LAUNCHER_UID_ZONE     (LAUNCHER_UID_BASE - 4)
#define LAUNCHER_BUILDS       8

struct launcher;
struct launcher_child;

enum launcher_kind { LAUNCHER_FREE, LAUNCHER_WORKER, LAUNCHER_BUILDER, LAUNCHER_BLANK };

/* It was reaped, and ended in this way; its slot is freed when this returns. */
typedef void launcher_ended_fn(struct launcher *l, struct launcher_child *c, const siginfo_t *info);

struct launcher_zone;
struct launcher_spare;

/* A sandboxed child: one slot, one uid, for its whole life. */
struct launcher_child {
    enum launcher_kind kind;
    launcher_ended_fn *ended;
    uint64_t id;
    pid_t pid;
    int pidfd;
    int control;
    int broker; /* the broker's end of its socket; -1: it has none */
    struct sbx_cgroup *leaf;
    struct launcher_zone *zone; /* a template or a fork: see zone.h; NULL: neither */
    uint32_t pids_later;        /* of a fork, once it has its filters */
    bool is_template;
    int64_t late_ms;              /* of a template: see forks.c */
    struct launcher_spare *spare; /* of a template: see forks.h; NULL: it was not forked yet */
    bool asked;
    bool unfiltered;        /* it said that it was ready without its filters, and is ended */
    int object, said, kept; /* builder: its output files */
    int64_t deadline_ms;    /* builder: CLOCK_MONOTONIC */
    int64_t cpu_look_ms;    /* builder: when its CPU time is looked at next */
    int64_t cpu_base_ms; /* builder: CPU time of its control group when it began; -1: not known */
    uint32_t next_free;
};

/* The descriptors of a worker, until they are sent to the gateway. */
struct launcher_worker_fds {
    int channel, log_read, log_write, control_ours, control_theirs, object;
    int files;                      /* the folder of the version's files; -1: none */
    int broker_ours, broker_theirs; /* of a function with destinations; -1: none */
    int memory, peak, cpu;
    int bells_count, bells[LIMIT_THREADS];
};
#define LAUNCHER_NO_FDS                                                                            \
    {                                                                                              \
        .channel = -1, .log_read = -1, .log_write = -1, .control_ours = -1, .control_theirs = -1,  \
        .object = -1, .files = -1, .broker_ours = -1, .broker_theirs = -1, .memory = -1,           \
        .peak = -1, .cpu = -1                                                                      \
    }

#define LAUNCHER_BLANKS 64

struct launcher_blanks {
    uint32_t min, max, count;
    struct launcher_blank {
        struct launcher_child *child;
        struct launcher_worker_fds fds;
    } items[LAUNCHER_BLANKS];
    uint32_t burst, largest_burst;
    int64_t burst_since_ms, halved_ms, next_ms;
};

/* Filters of functions that may make extra system calls; the last ones used are kept. */
#define LAUNCHER_EXTRA_FILTERS 8
struct launcher_filters {
    struct sbx_wider wider;
    int fd;
    bool made;
    uint64_t used; /* value of filters_used at the last use */
};

/* The file of a unix socket that this process bound. */
struct launcher_socket_file {
    const char *path; /* as in the option, absolute; NULL: none */
    dev_t dev;
    ino_t ino;
};

/* Of a process that is started again when it ends. */
struct launcher_restarts {
    int count;
    int64_t since_ms; /* they are counted from here on */
};

struct launcher_options {
    const char *listen;
    const char *admin; /* NULL: on the same listener */
    const char *state;
    const char *config;             /* NULL: none */
    const char *tls_cert, *tls_key; /* paths, to be opened again on a reload; NULL: none */
    const char *otlp, *log_format;  /* NULL: not set */
    const char *resolver, *network_allow, *network_connections; /* for the broker; NULL: not set */
    const char *insecure; /* layers to do without where they cannot be set up */
    const char *threads;
    const char *blanks;  /* "MIN:MAX" */
    const char *build;   /* "MILLISECONDS:BYTES" */
    char **gateway_args; /* passed on, NULL-ended */
    int gateway_args_count;
};

struct launcher {
    struct launcher_options options;
    int64_t error_logged_ms; /* see launcher_log_error */
    unsigned errors_left_out;
    char prefix[256];
    uid_t gateway_uid;
    gid_t gateway_gid;
    int state_fd;
    bool without_users, without_cgroups; /* as options.insecure allowed */
    int life;                            /* pidfd of this process, which children watch */
    int epoll, signals;
    int null, worker_program, builder_program;
    int filters_above; /* seccomp filters of this process, which all children inherit */
    int empty;         /* standard input of workers: an empty file, none of the host */
    int filters;       /* the default ones */
    struct launcher_filters extra_filters[LAUNCHER_EXTRA_FILTERS];
    uint64_t filters_used;
    int threads; /* loops of the gateway */
    int listeners[LIMIT_THREADS], listeners_count;
    int admin_listener;
    struct launcher_socket_file listen_file, admin_file;
    struct sbx_cgroup_tree tree;
    struct sbx_jail jail;
    /* the gateway that runs now */
    pid_t gateway_pid;
    int gateway_pidfd, gateway_sock;
    bool gateway_up;
    /* whether it goes on: see beat.c */
    uint64_t beat;             /* the last one */
    int64_t beat_ns;           /* when it was sent */
    int64_t clocks_apart_ms;   /* the wall clock, and that of the boot */
    uint64_t reloaded_by;      /* its answer says that the reload is done; 0: none */
    int64_t asked_ns;          /* the one that is to be answered */
    unsigned beats;            /* since then; 0: it was answered */
    unsigned gateway_restarts; /* for the status */
    struct launch_alive alive; /* its last answer */
    struct launcher_restarts restarts;
    /* of the exporter: see exporter.c */
    pid_t exporter_pid;
    int exporter_pidfd, exporter_socks[2]; /* the gateway's end, and its own; -1: none */
    struct launcher_restarts exporter_restarts;
    /* of the broker: see broker.c */
    pid_t broker_pid;
    int broker_pidfd, broker_sock;
    int broker_gateway[2]; /* the gateway's end, and its own */
    struct launcher_restarts broker_restarts;
    int64_t broker_beat_ns; /* when it was asked whether it goes on */
    unsigned broker_beats;  /* that it has not answered */
    bool stopping, notified;
    int exit_status;
    struct launcher_child children[LIMIT_INSTANCES + LAUNCHER_BUILDS];
    uint32_t free_worker;
    uint32_t workers_top; /* slots from here on were never used */
    uint32_t builds;
    int64_t build_ms; /* time limit of a build */
    uint64_t build_bytes;
    struct launcher_blanks blanks;
    uint32_t spares; /* templates that keep one */
};

#endif
