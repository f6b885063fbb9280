/* timers.h: when sch_tick has to look at which function. */
#ifndef SCHEDULER_TIMERS_H
#define SCHEDULER_TIMERS_H

#include "record.h"

/* sch_tick comes to the function at that time, or sooner. */
void sch_wake_by(struct sch *sch, struct sch_function *f, int64_t at_ns);
void sch_forget_time(struct sch *sch, struct sch_function *f);
/* The function that is due first; NULL for none. */
struct sch_function *sch_timers_first(const struct sch *sch);

#endif
