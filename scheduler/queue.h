/* queue.h: calls in the queue of their function, or given to a slot. */
#ifndef SCHEDULER_QUEUE_H
#define SCHEDULER_QUEUE_H

#include "record.h"

/* before: NULL for the end of the queue. */
void sch_wait_before(struct sch *sch, struct sch_function *f, struct sch_call *before,
                     struct sch_call *call);
void sch_stop_waiting(struct sch *sch, struct sch_call *call);
/* To a slot, behind the calls that it has. */
void sch_give(struct sch *sch, struct sch_slot *slot, struct sch_call *call);
/* From its slot again: the next call there is the first then. */
void sch_take(struct sch *sch, struct sch_call *call);
bool sch_queue_is_full(const struct sch_function *f);
/* Whether the queues of all functions together are full for this call. */
bool sch_host_is_full(const struct sch *sch, const struct sch_call *call);

#endif
