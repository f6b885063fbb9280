/* measure.c: what calls use of their instance's memory, by the high-water mark of its control
 * group, which the gateway reads and resets: never the worker, whose word could be wrong.
 */
#include <stdlib.h>
#include <unistd.h>

#include "clock.h"
#include "function.h"
#include "instance.h"
#include "memory_use.h"
#include "scheduler.h"

/* Between two looks of a loop. A look costs two system calls, about 2.5 us; so they take at most
 * about one percent of a core, and with calls at this distance each one is measured by itself. */
#define MEASURE_NS INT64_C(250000)
#define BATCH_MOST 64 /* calls without a pause, after which a look is due anyway */

/* Of its function. NULL: no memory. */
static struct memory_use *
record_of(struct gw_instance *inst)
{
    struct gw_function *f = inst->function;

    if (f->memory == NULL)
        f->memory = calloc(1, sizeof *f->memory);
    return f->memory;
}

uint64_t
gw_instance_take_peak(struct gw_instance *inst)
{
    uint64_t peak = (uint64_t)gw_instance_read(inst->peak_fd);

    if (peak > inst->peak_bytes)
        inst->peak_bytes = peak;
    if (!inst->keeps_peak && pwrite(inst->peak_fd, "0", 1, 0) != 1)
        inst->keeps_peak = true;
    return peak;
}

int64_t
gw_instance_peak(const struct gw_instance *inst)
{
    uint64_t peak = (uint64_t)gw_instance_read(inst->peak_fd);

    return (int64_t)(peak > inst->peak_bytes ? peak : inst->peak_bytes);
}

void
gw_instance_measure_fresh(struct gw_instance *inst)
{
    struct memory_use *use = record_of(inst);

    (void)gw_instance_take_peak(inst);
    inst->fresh_bytes = gw_instance_read(inst->memory_fd);
    if (use != NULL)
        memory_use_fresh(use, (uint64_t)(inst->fresh_bytes + inst->shared_bytes));
}

int64_t
gw_instance_advice(const struct gw_instance *inst)
{
    const struct memory_use *use = inst->function->memory;
    struct memory_advice advice = {0};

    if (use != NULL)
        memory_advise(use, (uint64_t)inst->limit_bytes, &advice);
    if (advice.memory > 0)
        return (int64_t)advice.memory;
    /* killed for others, it says nothing about its need */
    return inst->death.killer == LAUNCH_KILLER_LIMIT ? 2 * inst->limit_bytes : inst->limit_bytes;
}

void
gw_instance_measure_death(struct gw_instance *inst)
{
    struct memory_use *use = record_of(inst);

    if (!inst->pooled || inst->death.killer != LAUNCH_KILLER_LIMIT)
        return; /* else it says nothing about what the instance needs */
    if (use != NULL)
        memory_use_died(use, inst->version, (uint64_t)inst->limit_bytes);
    gw_instance_auto_death(inst);
}

void
gw_instance_note_refused_memory(struct gw_loop *loop, struct gw_instance *inst)
{
    struct memory_use *use = record_of(inst);

    if (use != NULL)
        memory_use_died(use, inst->version, (uint64_t)inst->limit_bytes);
    if (loop == gw_main_loop(inst->gw)) /* else with the next look at the function */
        gw_instance_auto_death(inst);
}

static void
count_peak(struct gw_peaks *peaks, uint64_t bytes)
{
    unsigned b = 0;

    while (b + 1 < GW_PEAKS && bytes > UINT64_C(65536) << b)
        b++;
    peaks->count++;
    peaks->sum += bytes;
    peaks->counts[b]++;
}

/* Adds the calls since the last look to the record. */
static void
record(struct gw_instance *inst, int64_t body)
{
    struct memory_use *use = record_of(inst);
    uint64_t peak = gw_instance_take_peak(inst);

    peak += (uint64_t)inst->shared_bytes; /* it would need them, too, if there were no template */
    if (use != NULL && inst->unmeasured > 0) {
        count_peak(&inst->function->peaks, peak);
        use->kept_high = inst->keeps_peak;
        memory_use_add(use, inst->version, (uint64_t)inst->limit_bytes, peak, inst->unmeasured,
                       inst->unmeasured == 1 ? body : -1, clock_wall_ms());
        memory_use_instances(use, sch_function_live(&inst->function->sch), use->until_ms);
    }
    inst->unmeasured = 0;
}

void
gw_instance_measure_next(struct gw_instance *inst)
{
    if (inst->open)
        record(inst, -1);
}

int64_t
gw_instance_peak_now(const struct gw_instance *inst)
{
    return gw_instance_read(inst->peak_fd);
}

void
gw_instance_measure(struct gw_loop *loop, struct gw_instance *inst, int64_t body, int64_t now_ns)
{
    if (now_ns - loop->instances->measured_ns < MEASURE_NS ||
        (inst->links[loop->lane].count > 0 && inst->unmeasured < BATCH_MOST) || !inst->open)
        return;
    loop->instances->measured_ns = now_ns;
    record(inst, body);
    gw_instance_note_leak(inst);
}
