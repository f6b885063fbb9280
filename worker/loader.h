/* loader.h: loads a function; the one part that knows what a function is. */
#ifndef WORKER_LOADER_H
#define WORKER_LOADER_H

#include "err.h"
#include "language.h"

int wrk_function_load(int object, struct wrk_function *function, struct hearth_err *err);

#endif
