/* slots.c: the states of slots, and the steps that more than one file takes. */
#include "slots.h"

#include "actions.h"

static const char *const state_names[] = {
#define X(name, text) text,
    SCH_SLOT_STATES(X)
#undef X
};

const char *
sch_slot_state_name(enum sch_slot_state state)
{
    return state_names[state];
}

static const struct {
    const char *name, *text;
} ends[] = {{"none", ""},
#define X(name, text, why) {text, why},
            SCH_ENDS(X)
#undef X
};

const char *
sch_end_name(enum sch_end end)
{
    return ends[end].name;
}

const char *
sch_end_text(enum sch_end end)
{
    return ends[end].text;
}

static void
note_why(struct sch_slot *slot, enum sch_end why)
{
    if (slot->why == SCH_END_NONE)
        slot->why = why;
}

void
sch_slot_recall(struct sch *sch, struct sch_slot *slot)
{
    if (slot->recalling || slot->runs.count < 2)
        return;
    slot->recalling = true;
    for (struct sch_call *c = slot->runs.head->next; c != NULL; c = c->next)
        sch_act(sch, (struct sch_action){.type = SCH_RECALL, .call = c, .slot = slot});
}

void
sch_slot_close(struct sch *sch, struct sch_slot *slot, enum sch_end why)
{
    slot->doomed = true;
    note_why(slot, why);
    sch_slot_recall(sch, slot);
}

void
sch_slot_retire(struct sch *sch, struct sch_slot *slot, enum sch_end why, int64_t now_ns)
{
    note_why(slot, why);
    sch_slot_enter(sch, slot, SCH_SLOT_RETIRING, now_ns);
    sch_act(sch, (struct sch_action){.type = SCH_RETIRE, .slot = slot});
}
