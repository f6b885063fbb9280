/* forks.h: further instances of a template. */
#ifndef SANDBOX_LAUNCHER_FORKS_H
#define SANDBOX_LAUNCHER_FORKS_H

#include "launcher/worker.h"

/* An initialised template is told where its memory is, to put it into huge pages. */
int launcher_send_ranges(const struct launcher_child *c, struct hearth_err *err);
/* A further instance of the template `from`, in a group, channel and output of its own, which are
 * in fds. NULL with an error: then the template is killed, unless what failed was not its part.
 * Once it was forked, a template keeps a spare fork, made when the launcher has nothing else to do.
 * broker: its socket to the broker, which stays the caller's; -1: none. */
struct launcher_child *launcher_fork(struct launcher *l, struct launcher_child *from,
                                     const struct launcher_recipe *recipe, uint64_t id,
                                     launcher_ended_fn *ended, int broker,
                                     struct launcher_worker_fds *fds, struct hearth_err *err);
/* Once its filters are loaded, a fork may have as many threads as an instance that is none: code of
 * the function could make processes of them before. 0, or a negative errno. */
int launcher_fork_settle(struct launcher_child *c);
/* Makes at most one spare. Returns the milliseconds until it is to be called again, 0 for at once;
 * -1: nothing is to be done. */
int launcher_spares_fill(struct launcher *l);
/* The template has ended: its spare ends, too. */
void launcher_spare_end(struct launcher *l, struct launcher_child *from);
/* Before launcher_children_end: all of them. */
void launcher_spares_clear(struct launcher *l);

#endif
