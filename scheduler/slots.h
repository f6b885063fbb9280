/* slots.h: the state of a slot. */
#ifndef SCHEDULER_SLOTS_H
#define SCHEDULER_SLOTS_H

#include "lists.h"
#include "record.h"

/* The one place that assigns the state. Inline: every call that meets an idle slot comes here. */
static inline void
sch_slot_enter(struct sch *sch, struct sch_slot *slot, enum sch_slot_state state, int64_t now_ns)
{
    sch_slots_remove(&slot->function->slots[slot->state], slot);
    sch->busy -= slot->state == SCH_SLOT_BUSY;
    sch->busy += state == SCH_SLOT_BUSY;
    sch->leaving_bytes += state == SCH_SLOT_RETIRING ? slot->memory : 0;
    slot->state = state;
    slot->since_ns = now_ns;
    sch_slots_push(&slot->function->slots[state], slot);
}

void sch_slot_retire(struct sch *sch, struct sch_slot *slot, enum sch_end why, int64_t now_ns);
/* Its calls sent ahead are asked back. */
void sch_slot_recall(struct sch *sch, struct sch_slot *slot);
/* It gets no more calls, and its calls sent ahead are asked back. It is not idle. */
void sch_slot_close(struct sch *sch, struct sch_slot *slot, enum sch_end why);

#endif
