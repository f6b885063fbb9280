/* refusals.h: what a system call is answered that the filters do not allow. */
#ifndef WORKER_REFUSALS_H
#define WORKER_REFUSALS_H

#include <stdint.h>

#include "channel.h"
#include "err.h"

/* Installs the handler of SIGSYS; the filters are mapped by now. */
int wrk_refusals_install(struct chan *chan, struct hearth_err *err);

/* The stack pointer in the context of a signal. */
uintptr_t wrk_stack_pointer(const void *context);

#endif
