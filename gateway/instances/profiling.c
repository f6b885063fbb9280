/* profiling.c: an instance samples its allocations for a while: it is told to begin, and to end,
 * between two calls (sch_slot_pause), and stays paused until its result has come. On the main loop,
 * with the lock held.
 */
#include <errno.h>

#include "container.h"
#include "events.h"
#include "function.h"
#include "instance.h"
#include "scheduler.h"

#define READ_MS 5000 /* for the whole result; the worker does nothing else meanwhile */

static void
pause_instance(struct gw_instance *inst)
{
    if (inst->slot != NULL)
        sch_slot_pause(inst->gw->functions->sch, inst->slot, gw_now_ns());
}

bool
gw_instance_profile(struct gw_instance *inst, struct gw_profiler *profiler)
{
    if (inst->profiler != NULL || inst->phase != GW_INSTANCE_READY || inst->slot == NULL ||
        inst->slot->doomed)
        return false;
    inst->profiler = profiler;
    inst->profiling = GW_PROFILE_BEGINS;
    pause_instance(inst);
    return true;
}

void
gw_instance_profile_end(struct gw_instance *inst)
{
    if (inst->profiling != GW_PROFILE_SAMPLES)
        return;
    inst->profiling = GW_PROFILE_ENDS;
    pause_instance(inst);
}

static bool
tell(struct gw_instance *inst, unsigned char on)
{
    unsigned char *payload = inst->open ? chan_reserve(&inst->chan, 1) : NULL;

    if (payload == NULL)
        return false;
    *payload = on;
    chan_commit(&inst->chan, FRAME_PROFILE, FRAME_END, 0, 1);
    chan_wake_worker(&inst->chan);
    return true;
}

static void
on_no_result(struct gw_timer *timer)
{
    struct gw_instance *inst = container_of(timer, struct gw_instance, timer);

    gw_instance_kill(inst, SCH_END_BROKE_PROTOCOL);
    inst->gw->instances->events->decided(gw_main_loop(inst->gw));
}

bool
gw_instance_profile_paused(struct gw_instance *inst)
{
    bool begins = inst->profiling == GW_PROFILE_BEGINS;

    if (!begins && inst->profiling != GW_PROFILE_ENDS)
        return inst->profiling == GW_PROFILE_READS;
    if (!tell(inst, begins)) {
        gw_instance_kill(inst, SCH_END_BROKE_PROTOCOL); /* it does not take what is in the ring */
    } else if (begins) {
        inst->profiling = GW_PROFILE_SAMPLES;
        inst->profiler->begun(inst->profiler);
    } else {
        inst->profiling = GW_PROFILE_READS;
        gw_timer_set(gw_main_loop(inst->gw), &inst->timer, READ_MS, on_no_result);
    }
    return inst->profiling == GW_PROFILE_READS;
}

static void
leave(struct gw_instance *inst)
{
    inst->profiler = NULL;
    inst->profiling = GW_PROFILE_OFF;
}

int
gw_instance_profiled(struct gw_instance *inst, const struct frame *frame)
{
    gw_locked struct gw *held = gw_lock(inst->gw);
    bool end = (frame->header.flags & FRAME_END) != 0;
    struct gw_profiler *profiler = inst->profiler;

    if (inst->profiling != GW_PROFILE_READS)
        return -EPROTO;
    if (!profiler->data(profiler, frame->payload, frame->len, end)) {
        leave(inst); /* the profiler is gone */
        return -EPROTO;
    }
    if (end) {
        gw_timer_unset(gw_main_loop(inst->gw), &inst->timer);
        leave(inst);
    }
    chan_consume(&inst->chan, frame);
    chan_wake_worker_for_room(&inst->chan);
    if (end)
        gw_instance_paused(inst);
    return GW_FRAME_TAKEN;
}

void
gw_instance_profile_gone(struct gw_instance *inst)
{
    struct gw_profiler *profiler = inst->profiler;

    leave(inst);
    if (profiler != NULL)
        profiler->gone(profiler);
}
