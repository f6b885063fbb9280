/* actions.h: decisions, until the caller takes them. */
#ifndef SCHEDULER_ACTIONS_H
#define SCHEDULER_ACTIONS_H

#include "record.h"

/* Adds one to the queue of its lane. */
void sch_act(struct sch *sch, struct sch_action action);

#endif
