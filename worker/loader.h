/* loader.h: loads a function; the one part that knows that it is a shared object. */
#ifndef WORKER_LOADER_H
#define WORKER_LOADER_H

#include "err.h"

struct hearth_call;

struct wrk_function {
    int (*handle)(struct hearth_call *);
    int (*init)(void);
    void (*fini)(void);
    void (*memory_low)(void);
    int (*fork)(void);
};

int wrk_function_load(int object, struct wrk_function *function, struct hearth_err *err);

#endif
