/* keepalive.h: how long an idle instance is kept. */
#ifndef SCHEDULER_KEEPALIVE_H
#define SCHEDULER_KEEPALIVE_H

#include "scheduler.h"

void sch_idle_record(struct sch_idle_times *times, int64_t idle_ns);
struct sch_keep sch_keep_plan(const struct sch_idle_times *times);

#endif
