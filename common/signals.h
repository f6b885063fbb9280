/* signals.h: what signals do in our processes. A daemon acts on a few, is killed by its own faults,
 * and ignores all others that would end it: none of them is a reason to stop running calls.
 */
#ifndef COMMON_SIGNALS_H
#define COMMON_SIGNALS_H

#include <signal.h>

#include "err.h"

/* For the beginning of main in a daemon: blocks the signals in `acted_on`, for a signalfd, and no
 * others; leaves faults and job control at their defaults; ignores the rest, including the
 * real-time signals and those of the C library. Inherited settings are reset; also of SIGCHLD: if
 * that were ignored, the kernel would reap children, and their exit status would be lost. */
int signals_settle(const sigset_t *acted_on, struct hearth_err *err);

/* For a child that will execute another program: all defaults, nothing blocked. */
int signals_reset(struct hearth_err *err);

#endif
