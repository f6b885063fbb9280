/* affinity.h: the core that this worker runs on. */
#ifndef WORKER_AFFINITY_H
#define WORKER_AFFINITY_H

#include "channel.h"

void wrk_affinity_init(void); /* before the first filter */
/* Moves to the core that the gateway hints at, if the hint has changed. */
void wrk_affinity_follow(struct chan *chan);

#endif
