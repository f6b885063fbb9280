/* forks.h: further instances of a template. */
#ifndef SANDBOX_LAUNCHER_FORKS_H
#define SANDBOX_LAUNCHER_FORKS_H

#include "launcher/worker.h"

/* An initialised template gets its maps, to put its memory into huge pages. */
int launcher_send_maps(const struct launcher_child *c, struct hearth_err *err);
/* Has the template `from` forked, and puts the fork in its place: a group, channel and output of
 * its own. c: a new slot. If this fails the template is killed, and the caller calls launcher_drop
 * for c and closes fds. */
int launcher_fork_worker(struct launcher *l, const struct launcher_child *from,
                         const struct launcher_recipe *recipe, struct launcher_child *c,
                         struct launcher_worker_fds *fds, struct hearth_err *err);

#endif
