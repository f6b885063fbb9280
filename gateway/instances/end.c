/* end.c: the ends of instances, counted by reason. With the lock held. */
#include <stdio.h>

#include "event_log.h"
#include "function.h"
#include "instance.h"
#include "journal.h"

/* What the kernel did counts for more than what the gateway intended. */
static enum sch_end
end_of(const struct gw_instance *inst, const struct gw_outcome *out)
{
    if (inst->broken)
        return SCH_END_BROKE_PROTOCOL;
    if (out->code == GW_MEMORY_EXCEEDED)
        return inst->death.killer == LAUNCH_KILLER_LIMIT ? SCH_END_MEMORY_EXCEEDED
                                                         : SCH_END_HOST_MEMORY;
    if (inst->why != SCH_END_NONE)
        return inst->why;
    if (inst->gw->draining)
        return SCH_END_DRAINING;
    return out->code == GW_FORBIDDEN_SYSCALL ? SCH_END_FORBIDDEN_SYSCALL : SCH_END_CRASHED;
}

static void
log_end(struct gw_instance *inst, enum sch_end end, const struct gw_outcome *out)
{
    char more[200] = "";

    if (end == SCH_END_MEMORY_EXCEEDED)
        (void)snprintf(more, sizeof more, ": the kernel killed it at its limit of %lld bytes",
                       (long long)inst->limit_bytes);
    else if (end == SCH_END_HOST_MEMORY)
        (void)snprintf(more, sizeof more, ": %s", gw_instance_killer_text(inst->death.killer));
    else if (end == SCH_END_RECYCLED_MEMORY)
        (void)snprintf(more, sizeof more,
                       ": after a call it used more than recycle_memory allows (%lld percent of "
                       "its limit of %lld bytes)",
                       (long long)inst->function->settings.numbers.recycle_memory,
                       (long long)inst->limit_bytes);
    else if (end == SCH_END_FORBIDDEN_SYSCALL)
        (void)snprintf(more, sizeof more, ": it made the system call %s", out->syscall);
    else if (end == SCH_END_CRASHED && out->signal[0] != '\0')
        (void)snprintf(more, sizeof more, ": %s%s", out->signal,
                       out->stack_overflow ? ", its stack overflowed" : "");
    else if (end == SCH_END_CRASHED && inst->unfit[0] != '\0')
        (void)snprintf(more, sizeof more, ": %.180s", inst->unfit);
    else if (end == SCH_END_CRASHED)
        (void)snprintf(more, sizeof more, ": it exited with status %d", out->exit);
    gw_journal_say(inst->function, inst->id, 2, "", "the instance ended: %s%s", sch_end_name(end),
                   more);
}

void
gw_instance_count_end(struct gw_instance *inst)
{
    struct gw_outcome out = gw_instance_outcome(inst);
    enum sch_end end = end_of(inst, &out);

    inst->function->ends[end]++;
    gw_event(inst->function->name, "ended", ",\"instance\":%llu,\"reason\":\"%s\",\"calls\":%llu",
             (unsigned long long)inst->id, sch_end_name(end), (unsigned long long)inst->calls);
    if (end == SCH_END_RECYCLED_MEMORY || (end >= SCH_END_TIMEOUT && end < SCH_END_DRAINING))
        log_end(inst, end, &out);
}
