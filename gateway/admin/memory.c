/* memory.c: GET …/memory: what the calls of a function have used, and the limit that follows from
 * it. What is not known (yet) is null. */
#include <math.h>
#include <stdio.h>
#include <time.h>

#include "admin.h"
#include "function.h"
#include "instance.h"
#include "memory_use.h"
#include "show.h"
#include "text.h"

static json_t *
time_json(int64_t ms)
{
    char text[TEXT_TIME];

    return ms == 0 ? json_null() : json_string(text_time(ms, text));
}

json_t *
gw_show_bytes(uint64_t bytes)
{
    return bytes > 0 ? json_integer((json_int_t)bytes) : json_null();
}

static json_t *
calls_json(const struct memory_use *use)
{
    const struct histogram *peaks = &use->peaks;

    return json_pack("{s:I,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o}", "count", (json_int_t)use->calls,
                     "since", time_json(use->since_ms), "until", time_json(use->until_ms), "source",
                     peaks->total > 0 ? json_string(memory_use_source(use)) : json_null(), "p50",
                     gw_show_bytes(histogram_quantile(peaks, 0.5)), "p95",
                     gw_show_bytes(histogram_quantile(peaks, 0.95)), "p99",
                     gw_show_bytes(histogram_quantile(peaks, 0.99)), "p999",
                     gw_show_bytes(histogram_quantile(peaks, 0.999)), "max",
                     gw_show_bytes(peaks->max));
}

static json_t *
advice_json(const struct memory_use *use, uint64_t limit)
{
    struct memory_advice advice;

    memory_advise(use, limit, &advice);
    return json_pack("{s:s,s:o,s:o,s:s,s:o,s:s}", "finding", memory_finding_name(advice.finding),
                     "memory", gw_show_bytes(advice.memory), "need", gw_show_bytes(advice.need),
                     "confidence", advice.confidence, "saves",
                     advice.memory > 0 ? json_integer((json_int_t)advice.saves) : json_null(),
                     "reason", advice.reason);
}

static json_t *
by_body_json(const struct memory_use *use, uint64_t limit)
{
    struct memory_by_body by;

    if (!memory_by_body(use, limit, &by))
        return json_null();
    return json_pack("{s:I,s:f,s:f,s:I}", "base", (json_int_t)by.base, "per_byte", by.per_byte,
                     "correlation", by.correlation, "largest_body", (json_int_t)by.largest_body);
}

static json_t *
leak_json(struct gw_function *f)
{
    gw_function_find_leak(f);
    return json_pack("{s:b,s:I,s:o,s:o}", "suspected", f->leak_since > 0, "bytes_per_call",
                     (json_int_t)llround(f->leak_bytes), "since_version",
                     f->leak_since > 0 ? json_integer((json_int_t)f->leak_since) : json_null(),
                     "source", f->leak_source != NULL ? json_string(f->leak_source) : json_null());
}

static json_t *
ends_json(const struct gw_function *f)
{
    json_t *ends = json_object();

    for (int i = 0; i < SCH_END_COUNT; i++)
        if (f->ends[i] > 0)
            (void)json_object_set_new(ends, sch_end_name(i), json_integer((json_int_t)f->ends[i]));
    return ends;
}

static void
add_shared(json_t *memory, const struct gw_function *f)
{
    int64_t shared = 0, private = 0;

    for (const struct gw_instance *inst = f->instances; inst != NULL; inst = inst->next)
        *(inst->is_template ? &shared : &private) += gw_instance_read(inst->memory_fd);
    (void)json_object_set_new(memory, "shared", json_integer(shared));
    (void)json_object_set_new(memory, "private", json_integer(private));
    (void)json_object_set_new(memory, "forks", json_integer((json_int_t)f->forks));
}

json_t *
gw_show_memory(struct gw_function *f)
{
    static const struct memory_use nothing;
    const struct memory_use *use = f->memory != NULL ? f->memory : &nothing;
    uint64_t limit = (uint64_t)f->settings.numbers.memory;
    json_t *memory = gw_show_memory_now(f);

    (void)json_object_set_new(memory, "overhead", gw_show_bytes((uint64_t)use->overhead));
    (void)json_object_set_new(memory, "calls", calls_json(use));
    (void)json_object_set_new(memory, "advice", advice_json(use, limit));
    (void)json_object_set_new(memory, "by_body", by_body_json(use, limit));
    (void)json_object_set_new(memory, "leak", leak_json(f));
    (void)json_object_set_new(memory, "ends", ends_json(f));
    (void)json_object_set_new(memory, "reclaimed", json_integer((json_int_t)f->reclaimed));
    add_shared(memory, f);
    return memory;
}
