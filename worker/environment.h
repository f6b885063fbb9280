/* environment.h: the state behind hearth_env and hearth_memory_…. */
#ifndef WORKER_ENVIRONMENT_H
#define WORKER_ENVIRONMENT_H

#include <stddef.h>

#include "channel.h"
#include "err.h"

/* Keeps a copy of the payload of FRAME_SETUP. */
int wrk_setup_keep(const void *bytes, size_t len, struct hearth_err *err);
/* Which function this is an instance of, and the number of its version. */
const char *wrk_function_name(void);
const char *wrk_function_version(void);
/* Files of the instance's control group: bytes in use, and what they are used for. */
struct wrk_meters {
    int used, stat;
};
/* Where hearth_memory_limit and hearth_memory_used read. */
void wrk_meters_set(struct chan *chan, const struct wrk_meters *meters);
/* Bytes of them that the kernel takes back where they are needed: pages of files. */
size_t wrk_memory_of_files(void);

#endif
