/* isolation.h: the isolation layers that the worker sets up itself. */
#ifndef WORKER_ISOLATION_H
#define WORKER_ISOLATION_H

#include "channel.h"
#include "err.h"

/* Maps both filters and sets the handlers that note why this process dies. */
int wrk_isolation_prepare(int filters, struct chan *chan, struct hearth_err *err);
/* The filter for loading: before anything of the tenant's. */
int wrk_isolation_load(struct hearth_err *err);
/* A folder that the process may read, before the next. */
int wrk_isolation_allow_folder(int fd, struct hearth_err *err);
/* From here on the process opens the libraries and this object, and no other file. */
int wrk_isolation_close_files(int object, struct hearth_err *err);
/* Of a fork: it takes no huge pages of its own, and can send no signal to the other instances of
 * its template, where the kernel has that (Landlock ABI 6). */
void wrk_isolation_scope(void);
/* The filter for running: before the first call. */
int wrk_isolation_narrow(struct hearth_err *err);

#endif
