/* auto.c: the setting memory "auto": the limit follows the advice, between memory_min and
 * memory_max. On the main loop, with the lock held.
 *
 * It grows as soon as the advice says so, and at once to twice the limit at which the kernel has
 * killed an instance: then the need is unknown. It shrinks only to less than four fifths, on at
 * least SETTLED_CALLS calls of this version and since the last such death.
 */
#include <inttypes.h>
#include <stdio.h>

#include "event_log.h"
#include "function.h"
#include "instance.h"
#include "journal.h"
#include "log.h"
#include "memory_use.h"
#include "scheduler.h"
#include "settings_json.h"

#define AGAIN_MS      1000 /* between two looks at a function */
#define SETTLED_CALLS 100
#define CHANGED       "the memory limit goes from %" PRId64 " to %" PRId64 " bytes: %s"

/* Within the bounds of the settings and the memory of the host. */
static int64_t
bounded(const struct gw_function *f, int64_t bytes)
{
    struct sch_settings numbers = f->settings.numbers;

    numbers.memory = bytes;
    gw_settings_bound(&numbers);
    return numbers.memory;
}

static void
set_limit(struct gw *gw, struct gw_function *f, int64_t bytes, const char *reason)
{
    int64_t was = f->settings.numbers.memory;

    f->settings.numbers.memory = bytes;
    if (bytes > was && !sch_fits(gw->functions->sch, &f->sch, &f->settings.numbers)) {
        f->settings.numbers.memory = was;
        gw_function_warn(gw, f,
                         "memory auto would be %" PRId64 " bytes, but the instances that min "
                         "keeps would not fit into the memory_budget then",
                         bytes);
        return;
    }
    gw_function_apply(gw, f, false);
    for (struct gw_instance *inst = f->instances; inst != NULL; inst = inst->next)
        gw_instance_follow_limit(inst);
    gw_event(f->name, "limit_changed", ",\"from\":%lld,\"to\":%lld", (long long)was,
             (long long)bytes);
    gw_journal_say(f, 0, 1, "", CHANGED, was, bytes, reason);
    log_info("function %s: " CHANGED, f->name, was, bytes, reason);
}

void
gw_instance_auto_death(struct gw_instance *inst)
{
    struct gw_function *f = inst->function;
    int64_t wanted = bounded(f, 2 * inst->limit_bytes);

    if (f->settings.numbers.memory_auto != 0 && !f->removed && wanted > f->settings.numbers.memory)
        set_limit(inst->gw, f, wanted, "the kernel killed an instance at its limit");
}

void
gw_instances_auto_follow(struct gw *gw, struct gw_function *f, int64_t now_ms)
{
    struct memory_use *use = f->memory;
    struct memory_advice advice;
    int64_t limit = f->settings.numbers.memory, wanted;

    if (f->settings.numbers.memory_auto == 0 || use == NULL || f->removed || f->live == 0 ||
        now_ms - f->auto_ms < AGAIN_MS)
        return;
    f->auto_ms = now_ms;
    memory_advise(use, (uint64_t)limit, &advice);
    if (advice.memory == 0 || advice.need == 0)
        return;
    wanted = bounded(f, (int64_t)advice.memory);
    if ((advice.finding == MEMORY_UNDER_PROVISIONED && wanted > limit) ||
        (advice.finding == MEMORY_OVER_PROVISIONED && wanted < limit &&
         memory_use_settled(use) >= SETTLED_CALLS))
        set_limit(gw, f, wanted, advice.reason);
}
