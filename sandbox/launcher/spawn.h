/* spawn.h: the birth of a sandboxed process. Launcher only. */
#ifndef SANDBOX_SPAWN_H
#define SANDBOX_SPAWN_H

#include <stdint.h>
#include <sys/types.h>

#include "cgroup/cgroup.h"
#include "err.h"
#include "launcher/jail.h"
#include "limits.h"

/* All that a worker inherits, as the descriptors from 0 on. A builder: 0 to 4, with
 * what the compiler says as 1 and 2 and the object's file as 4. */
struct sbx_inherit {
    int input;   /* 0: empty */
    int output;  /* 1 and 2 */
    int control; /* 3: takes the text of a wall that could not be raised; a worker's task */
    int first;   /* 4: a worker's channel, a builder's object */
    int filters; /* 5: a worker's filters, else -1 */
    int bells_count;
    int bells[LIMIT_THREADS]; /* from 6 on: a worker's eventfds, one for each loop of the gateway */
};

struct sbx_spawn {
    const struct sbx_jail *jail;
    const struct sbx_cgroup *leaf;
    struct sbx_inherit inherit;
    int program; /* the executable */
    int source;  /* a builder's sources; -1 for a worker */
    int life;    /* the launcher's pidfd: readable once it is gone */
    uid_t uid;   /* and gid */
    uint32_t cpu_seconds;
    uint64_t file_bytes; /* largest file it may write, and the size of its /tmp; 0: none */
    char *const *argv;
};

/* Starts the process. 0, its pid and a pidfd that the caller owns; or a negative
 * errno and nothing started. What fails later, in the child, comes as a text on
 * the other end of inherit.control, and the child exits with SBX_SPAWN_FAILED. */
int sbx_spawn(const struct sbx_spawn *spawn, pid_t *pid, int *pidfd, struct hearth_err *err);

#define SBX_SPAWN_FAILED 125

#endif
