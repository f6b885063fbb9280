/* template.h: an instance that has finished its init, serves no call, and is forked for each
 * further one. */
#ifndef WORKER_TEMPLATE_H
#define WORKER_TEMPLATE_H

#include <stdbool.h>

#include "channel.h"
#include "environment.h"
#include "err.h"
#include "language.h"

/* Forks as the launcher asks; before, it puts its memory into huge pages. Returns only in a fork,
 * which has its own channel, output, eventfds and meters, and was put in its place; the filter for
 * running is still to be loaded. */
void wrk_template_serve(struct chan *chan, const struct wrk_meters *meters,
                        const struct wrk_function *function);
/* For the handler of SIGSYS: whether the platform forks now; then, what clone returns, 0 in the
 * fork. child_tid: as the C library passed it. */
bool wrk_template_is_forking(void);
long wrk_template_clone(void *child_tid);

#endif
