/* print.h: what the function prints and logs goes into the channel's memory. */
#ifndef WORKER_PRINT_H
#define WORKER_PRINT_H

#include "channel.h"
#include "err.h"

/* Makes stdout and stderr streams of ours. Before the function is loaded. */
int wrk_output_open(struct chan *chan, struct hearth_err *err);
/* Whose output it is from now on: a call's id that stays where it is, or NULL. Ends lines that
 * have no newline. */
void wrk_output_begin_call(const char *id);
void wrk_output_end_call(void);

#endif
