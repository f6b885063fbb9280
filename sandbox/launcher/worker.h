/* worker.h: makes a sandboxed worker process. */
#ifndef SANDBOX_LAUNCHER_WORKER_H
#define SANDBOX_LAUNCHER_WORKER_H

#include "launcher/launcher.h"

#define LAUNCHER_WORKER_PIDS 4u

/* What a sandbox is made with. */
struct launcher_recipe {
    struct sbx_cgroup_limits limits;
    int filters;        /* not owned */
    uint64_t tmp_bytes; /* 0: no /tmp */
};
/* A sandboxed process that waits for its task. If this fails, the caller calls launcher_drop
 * and closes fds. */
int launcher_make_worker(struct launcher *l, const struct launcher_recipe *recipe,
                         struct launcher_child *c, struct launcher_worker_fds *fds,
                         struct hearth_err *err);
/* The task: the object to load, and the file to read what the instance uses. */
int launcher_send_task(const struct launcher_child *c, const struct launcher_worker_fds *fds,
                       struct hearth_err *err);
void launcher_worker_fds_close(struct launcher_worker_fds *fds);

#endif
