/* signals.h: what our processes do about signals. A daemon acts on a few, dies of its own
 * faults, and ignores every other whose default is to end it: none of them is a reason to
 * break off what runs.
 */
#ifndef COMMON_SIGNALS_H
#define COMMON_SIGNALS_H

#include <signal.h>

#include "err.h"

/* For the first lines of a daemon's main: blocks those of `acted_on`, for a signalfd, and no
 * others; leaves faults and job control at their defaults; ignores the rest, the real-time
 * ones and the C library's own too. Whatever was inherited is undone; that goes for SIGCHLD,
 * which ignored would have children reaped before anybody asks how they ended. */
int signals_settle(const sigset_t *acted_on, struct hearth_err *err);

/* For a child that will be another program: all defaults, nothing blocked. */
int signals_reset(struct hearth_err *err);

#endif
