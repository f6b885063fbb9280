/* spawn.h: starts a sandboxed process. */
#ifndef SANDBOX_SPAWN_H
#define SANDBOX_SPAWN_H

#include <stdint.h>
#include <sys/types.h>

#include "cgroup/cgroup.h"
#include "err.h"
#include "launcher/jail.h"
#include "limits.h"

#define LAUNCHER_STACK (8u << 20) /* bytes of stack that a process is born with */

/* All that the process inherits: see common/inherit.h. What is not its kind's is not looked at. */
struct sbx_inherit {
    int input;
    int output;
    int control;
    int first;   /* a worker's channel, a builder's object */
    int filters; /* of a worker */
    int broker;  /* of a worker with destinations; -1: none */
    int plan;    /* of a builder; and its function's object files of before, and those it keeps */
    int cache;
    int kept;
    int bells_count;
    int bells[LIMIT_THREADS]; /* of a worker */
};

struct sbx_spawn {
    const struct sbx_jail *jail;
    const struct sbx_cgroup *leaf;
    struct sbx_inherit inherit;
    int program; /* the executable */
    int source;  /* a builder's sources; -1 for a worker */
    int files;   /* a template's files: see jail.h; -1: none */
    int pids;    /* the pid namespace that it joins; -1: a new one, whose first process it is */
    int life;    /* pidfd of the launcher: readable once it has ended */
    uid_t uid;   /* and gid */
    uint32_t cpu_seconds;
    uint64_t file_bytes; /* largest file that it may write, and the size of its /tmp; 0: no /tmp */
    char *const *argv;
};

/* Starts the process. 0, its pid and a pidfd that the caller owns; or a negative errno, and no
 * process. If a later step fails in the child, it writes the error to inherit.control and exits
 * with INHERIT_EXIT_BROKEN. */
int sbx_spawn(const struct sbx_spawn *spawn, pid_t *pid, int *pidfd, struct hearth_err *err);

#endif
