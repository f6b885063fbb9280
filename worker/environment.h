/* environment.h: the state behind hearth_env and hearth_memory_…. */
#ifndef WORKER_ENVIRONMENT_H
#define WORKER_ENVIRONMENT_H

#include <stddef.h>

#include "channel.h"
#include "err.h"

/* Keeps a copy of "NAME=value", each ended by a NUL. */
int wrk_env_set(const void *bytes, size_t len, struct hearth_err *err);
/* Where hearth_memory_limit and hearth_memory_used read. */
void wrk_meters_set(struct chan *chan, int memory_fd);

#endif
