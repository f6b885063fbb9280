/* budget.h: the memory of all instances together. */
#ifndef SCHEDULER_BUDGET_H
#define SCHEDULER_BUDGET_H

#include "record.h"

bool sch_memory_fits(const struct sch *sch, int64_t bytes);
/* Retires idle instances until that much will be free; f: for which function, or NULL. */
void sch_memory_reclaim(struct sch *sch, struct sch_function *f, int64_t bytes, int64_t now_ns);

/* The functions that wait for memory, in their order. */
void sch_memory_wait(struct sch *sch, struct sch_function *f, int64_t now_ns);
void sch_memory_wait_end(struct sch *sch, struct sch_function *f);
/* Whether no other function waits before it. */
bool sch_memory_is_next(const struct sch *sch, const struct sch_function *f);

/* Notes what an idle instance is worth. */
void sch_slot_value(struct sch *sch, struct sch_slot *slot);
/* The function has one slot more, or less. */
void sch_slot_added(struct sch *sch, struct sch_function *f);
void sch_slot_removed(struct sch *sch, struct sch_function *f);

#endif
