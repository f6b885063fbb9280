/* api.h: hearth.h for the worker, which implements it: its functions are exported, and the stamp
 * that marks the object of a function is left out. */
#ifndef WORKER_API_H
#define WORKER_API_H

#pragma GCC visibility push(default)
#define HEARTH_NO_STAMP
#include "hearth.h"
#pragma GCC visibility pop

#endif
