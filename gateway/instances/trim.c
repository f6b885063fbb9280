/* trim.c: an instance gives the free part of its heap back to the kernel, between two calls: after
 * a burst, and before its limit is lowered. What that frees is the kernel's figure, counted for the
 * function. With the lock held, unless noted.
 */
#include <errno.h>

#include "container.h"
#include "events.h"
#include "function.h"
#include "instance.h"
#include "scheduler.h"

#define WAIT_MS     100                /* for the answer of a paused instance */
#define IDLE_NS     INT64_C(100000000) /* after the last call */
#define WORTH_BYTES (256 * 1024)       /* to use more than this for a wake-up to be worth it */

static bool
ask(struct gw_instance *inst)
{
    if (!inst->open || inst->phase != GW_INSTANCE_READY || inst->broken ||
        chan_reserve(&inst->chan, 0) == NULL)
        return false;
    inst->trims++;
    inst->untrimmed_bytes = gw_instance_read(inst->memory_fd);
    chan_commit(&inst->chan, FRAME_TRIM, FRAME_END, 0, 0);
    chan_wake_worker(&inst->chan);
    return true;
}

static void
on_no_answer(struct gw_timer *timer)
{
    struct gw_instance *inst = container_of(timer, struct gw_instance, timer);
    gw_locked struct gw *held = gw_lock(inst->gw);

    inst->awaits_trim = false;
    gw_instance_change(inst);
    inst->gw->instances->events->decided(gw_main_loop(inst->gw));
}

bool
gw_instance_trim_paused(struct gw_instance *inst)
{
    if (!ask(inst))
        return false;
    inst->awaits_trim = true;
    gw_timer_set(gw_main_loop(inst->gw), &inst->timer, WAIT_MS, on_no_answer);
    return true;
}

void
gw_instance_trim_idle(struct gw_instance *inst, int64_t now_ns)
{
    if (inst->slot == NULL || inst->slot->state != SCH_SLOT_IDLE ||
        now_ns - inst->slot->since_ns < IDLE_NS || inst->trimmed_calls == inst->calls)
        return;
    inst->trimmed_calls = inst->calls;
    if (inst->trims == 0 && gw_instance_read(inst->memory_fd) > inst->fresh_bytes + WORTH_BYTES)
        (void)ask(inst);
}

int
gw_instance_trimmed(struct gw_instance *inst)
{
    gw_locked struct gw *held = gw_lock(inst->gw);
    int64_t freed;

    if (inst->trims == 0)
        return -EPROTO;
    inst->trims--;
    freed = inst->untrimmed_bytes - gw_instance_read(inst->memory_fd);
    if (freed > 0)
        inst->function->reclaimed += (uint64_t)freed;
    if (inst->trims > 0 || !inst->awaits_trim)
        return GW_FRAME_TAKEN;
    inst->awaits_trim = false; /* it is paused: this is the main loop */
    gw_timer_unset(gw_main_loop(inst->gw), &inst->timer);
    gw_instance_change(inst);
    return GW_FRAME_TAKEN;
}
