/* lists.h: calls and slots in lists. */
#ifndef SCHEDULER_LISTS_H
#define SCHEDULER_LISTS_H

#include "scheduler.h"

void sch_calls_append(struct sch_call_list *list, struct sch_call *call);
/* Before another one of the list; at its end for NULL. */
void sch_calls_insert(struct sch_call_list *list, struct sch_call *before, struct sch_call *call);
void sch_calls_remove(struct sch_call_list *list, struct sch_call *call);
/* Newest first: an idle list is a LIFO, its tail the instance idle for longest. */
void sch_slots_push(struct sch_slot_list *list, struct sch_slot *slot);
void sch_slots_remove(struct sch_slot_list *list, struct sch_slot *slot);

#endif
