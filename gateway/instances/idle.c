/* idle.c: instances without a call: ends one that uses CPU time after it has answered, since no
 * call's timeout would; trims others. */
#include "instance.h"

#include "events.h"
#include "function.h"
#include "scheduler.h"

#define IDLE_WATCH_MS 1000 /* interval between two checks of an instance's CPU time; */
#define IDLE_PART     5    /* it may use a fifth of the interval */

/* An instance without a call should use no CPU time. */
static void
check_idle(struct gw_instance *inst)
{
    int64_t cpu_us;

    if (inst->slot == NULL || inst->slot->state != SCH_SLOT_IDLE ||
        inst->phase >= GW_INSTANCE_KILLED)
        return;
    cpu_us = gw_instance_cpu_us(inst);
    if (inst->idle_cpu_us > 0 && inst->idle_calls == inst->calls &&
        cpu_us - inst->idle_cpu_us > IDLE_WATCH_MS * 1000 / IDLE_PART) {
        gw_function_warn(inst->gw, inst->function,
                         "an instance uses CPU time without a call: ending it");
        sch_slot_doom(inst->gw->functions->sch, inst->slot, SCH_END_TIMEOUT, gw_now_ns());
    }
    inst->idle_calls = inst->calls;
    inst->idle_cpu_us = cpu_us;
}

static void
on_idle_watch(uv_timer_t *timer)
{
    struct gw *gw = timer->data;
    gw_locked struct gw *held = gw_lock(gw);
    struct gw_instance *inst, *next;
    int64_t now_ns = gw_now_ns();

    HASH_ITER (hh, gw->instances->table, inst, next) {
        gw_instance_take_output(inst);
        check_idle(inst);
        gw_instance_trim_idle(inst, now_ns);
        if (inst->is_template)
            gw_template_tick(inst);
        gw_instances_auto_follow(gw, inst->function, now_ns / 1000000);
    }
    gw->instances->events->decided(gw_main_loop(gw));
    gw_function_report_suppressed(gw);
    if (gw->instances->table == NULL && gw->functions->noisy == NULL) {
        (void)uv_timer_stop(timer);
        gw->instances->idle_watched = false;
    }
}

void
gw_instances_watch_idle(struct gw *gw)
{
    if (gw->instances->idle_watched)
        return;
    if (gw->instances->idle_watch.data == NULL) /* only once: the handle stays in the loop's list */
        (void)uv_timer_init(gw_main_loop(gw)->uv, &gw->instances->idle_watch);
    gw->instances->idle_watch.data = gw;
    gw->instances->idle_watched = uv_timer_start(&gw->instances->idle_watch, on_idle_watch,
                                                 IDLE_WATCH_MS, IDLE_WATCH_MS) == 0;
}
