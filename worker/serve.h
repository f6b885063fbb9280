/* serve.h: the call loop. */
#ifndef WORKER_SERVE_H
#define WORKER_SERVE_H

#include "channel.h"
#include "loader.h"

/* Serves calls until the gateway retires this worker. */
void wrk_serve(struct chan *chan, const struct wrk_function *function);

#endif
