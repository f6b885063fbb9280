/* worker.h: makes a sandboxed worker process. */
#ifndef SANDBOX_LAUNCHER_WORKER_H
#define SANDBOX_LAUNCHER_WORKER_H

#include "launcher/launcher.h"

#define LAUNCHER_WORKER_PIDS 4u

/* What a sandbox is made with. */
struct launcher_recipe {
    struct sbx_cgroup_limits limits;
    int filters;        /* not owned */
    bool is_template;   /* in a zone of its own, c->zone, with no process beside it */
    uint64_t tmp_bytes; /* 0: no /tmp */
};
/* A sandboxed process that waits for its task. If this fails, the caller calls launcher_drop
 * and closes fds. */
int launcher_make_worker(struct launcher *l, const struct launcher_recipe *recipe,
                         struct launcher_child *c, struct launcher_worker_fds *fds,
                         struct hearth_err *err);
/* What a worker has before it is a process: its group, channel, meters, output and eventfds. */
int launcher_prepare_worker(struct launcher *l, const struct launcher_recipe *recipe,
                            struct launcher_child *c, struct launcher_worker_fds *fds,
                            struct hearth_err *err);
/* A meter of its own: an open file that is shared has a lock. -1 with errno. */
int launcher_open_meter(const struct launcher_child *c);
/* Likewise, what the memory is used for: memory.stat. */
int launcher_open_stat(const struct launcher_child *c);
/* The task: the object to load, and the file to read what the instance uses. */
int launcher_send_task(const struct launcher_child *c, const struct launcher_worker_fds *fds,
                       struct hearth_err *err);
void launcher_worker_fds_close(struct launcher_worker_fds *fds);

#endif
