/* leaks.c: the series of an instance's memory from call to call, and what it says of its function.
 * With the lock held. */
#include <stdlib.h>

#include "function.h"
#include "instance.h"
#include "leak.h"

#define FIRST_LOOK 8 /* calls; most instances of rare calls never have so many */

void
gw_instance_note_leak(struct gw_instance *inst)
{
    if (inst->leak == NULL) {
        if (inst->calls < FIRST_LOOK)
            return;
        inst->leak = calloc(1, sizeof *inst->leak);
        if (inst->leak == NULL)
            return;
    }
    if (leak_series_wants(inst->leak, inst->calls))
        leak_series_add(inst->leak, inst->calls,
                        atomic_load_explicit(&inst->chan.shared->heap, memory_order_relaxed),
                        (uint64_t)gw_instance_read(inst->memory_fd));
}

/* One that leaks says more than all that do not; one that does not says more than none. */
static void
judge(struct gw_function *f, const struct gw_instance *inst, struct leak *leak)
{
    struct leak own;

    if (inst->leak == NULL || inst->version != f->live)
        return;
    own = leak_find(inst->leak);
    if (own.verdict > leak->verdict ||
        (own.verdict == LEAK_SUSPECTED && own.bytes_per_call > leak->bytes_per_call))
        *leak = own;
}

static void
conclude(struct gw_function *f, const struct leak *leak)
{
    if (leak->verdict == LEAK_UNKNOWN)
        return;
    f->leak_bytes = leak->verdict == LEAK_SUSPECTED ? leak->bytes_per_call : 0;
    f->leak_source = leak->source;
    if (leak->verdict == LEAK_NONE)
        f->leak_since = 0;
    else if (f->leak_since == 0)
        f->leak_since = f->live;
}

void
gw_function_find_leak(struct gw_function *f)
{
    struct leak leak = {.verdict = LEAK_UNKNOWN};

    for (const struct gw_instance *inst = f->instances; inst != NULL; inst = inst->next)
        judge(f, inst, &leak);
    conclude(f, &leak);
}

void
gw_instance_end_leak(struct gw_instance *inst)
{
    struct leak leak = {.verdict = LEAK_UNKNOWN};

    judge(inst->function, inst, &leak);
    conclude(inst->function, &leak);
    free(inst->leak);
    inst->leak = NULL;
}
