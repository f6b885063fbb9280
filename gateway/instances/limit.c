/* limit.c: changes the memory limit of a running instance. On the main loop, with the lock held.
 *
 * The kernel kills an instance that grows beyond its limit, whatever the limit was when its call
 * began. So a limit is lowered only while the instance runs no call, and gets none
 * (sch_slot_pause).
 */
#include "instance.h"

#include <stdatomic.h>

#include "function.h"
#include "scheduler.h"

static int64_t
wanted(const struct gw_instance *inst)
{
    return gw_instance_settings(inst)->numbers.memory;
}

static void
send_limit(struct gw_instance *inst)
{
    struct launch_message msg = {.type = LAUNCH_LIMIT, .id = inst->id};

    inst->limit_bytes = wanted(inst);
    inst->cpu = gw_instance_settings(inst)->numbers.cpu;
    msg.u.limit.cpu = (uint32_t)inst->cpu;
    msg.u.limit.memory_limit = (uint64_t)inst->limit_bytes;
    inst->limits_sent++;
    (void)launch_client_send(&inst->gw->instances->launcher, &msg);
}

void
gw_instance_publish_limits(struct gw_instance *inst)
{
    int64_t percent = gw_instance_settings(inst)->numbers.recycle_memory;

    if (!inst->open)
        return;
    atomic_store(&inst->chan.shared->memory_limit, (uint64_t)inst->limit_bytes);
    atomic_store(&inst->chan.shared->recycle_at,
                 percent < 100 ? (uint64_t)(inst->limit_bytes / 100 * percent) : 0);
}

void
gw_instances_follow_settings(struct gw_function *f)
{
    for (struct gw_instance *inst = f->instances; inst != NULL; inst = inst->next)
        gw_instance_publish_limits(inst);
}

static bool
is_paused(const struct gw_instance *inst)
{
    return inst->slot != NULL && inst->slot->paused;
}

static bool
follows(const struct gw_instance *inst)
{
    return inst->limit_bytes == wanted(inst) &&
           inst->cpu == gw_instance_settings(inst)->numbers.cpu;
}

void
gw_instance_follow_limit(struct gw_instance *inst)
{
    if (!inst->open || inst->is_template || follows(inst) || inst->phase >= GW_INSTANCE_RETIRING ||
        (inst->slot != NULL && inst->slot->doomed))
        return;
    if (inst->slot == NULL || wanted(inst) >= inst->limit_bytes)
        send_limit(inst);
    else if (!is_paused(inst)) /* else it is about to be changed */
        sch_slot_pause(inst->gw->functions->sch, inst->slot, gw_now_ns());
}

void
gw_instance_change(struct gw_instance *inst)
{
    if (!is_paused(inst) || inst->limits_sent > 0 || inst->awaits_trim ||
        inst->profiling == GW_PROFILE_READS || inst->phase == GW_INSTANCE_DEAD)
        return;
    if (!follows(inst) && !inst->slot->doomed && inst->phase < GW_INSTANCE_RETIRING)
        send_limit(inst);
    else if (!gw_instance_profile_paused(inst)) /* a profile may be to end by now */
        sch_slot_resume(inst->gw->functions->sch, inst->slot, gw_now_ns());
}

void
gw_instance_paused(struct gw_instance *inst)
{
    if (gw_instance_profile_paused(inst))
        return; /* it comes again with the result */
    if (follows(inst) || !gw_instance_trim_paused(inst))
        gw_instance_change(inst);
}

void
gw_instance_notify_waiter(struct gw_instance *inst, int status)
{
    struct gw_limit_waiter *waiter = inst->waiter;

    inst->waiter = NULL;
    if (waiter != NULL)
        waiter->done(waiter, inst, status);
}

void
gw_instance_limited(struct gw_instance *inst, int status)
{
    inst->limits_sent -= inst->limits_sent > 0;
    if (inst->limits_sent > 0)
        return; /* the last one counts */
    if (status == 0 && inst->open) {
        gw_instance_publish_limits(inst);
        if (inst->slot != NULL)
            sch_slot_shrunk(inst->gw->functions->sch, inst->slot, inst->limit_bytes, gw_now_ns());
    } else if (inst->slot != NULL)
        /* it uses more than the new limit: replace it */
        sch_slot_doom(inst->gw->functions->sch, inst->slot, SCH_END_LIMIT_CHANGED, gw_now_ns());
    gw_instance_notify_waiter(inst, status);
    gw_instance_change(inst);
}
