/* function.c: the registry of functions, and how they are shown. With the lock held. */
#include "functions/function.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "calls/instance.h"
#include "functions/settings_json.h"
#include "gateway.h"
#include "log.h"
#include "units.h"

#define NOISE_MS 1000

struct gw_function *
gw_function_find(struct gw *gw, const char *name, size_t len)
{
    struct gw_function *f = NULL;

    if (len >= 1 && len <= LIMIT_NAME)
        HASH_FIND(hh, gw->functions, name, len, f);
    return f;
}

struct gw_function *
gw_function_add(struct gw *gw, const char *name)
{
    struct gw_function *f = calloc(1, sizeof *f);

    if (f == NULL)
        return NULL;
    (void)strcpy(f->name, name);
    sch_settings_default(&f->settings.numbers);
    sch_function_init(&f->sch, &f->settings.numbers);
    HASH_ADD_STR(gw->functions, name, f);
    return f;
}

static void
forget(struct gw_function *f)
{
    while (f->versions != NULL) {
        struct gw_version *version = f->versions;

        f->versions = version->next;
        free(version);
    }
    gw_settings_clear(&f->settings);
    gw_journal_free(f->journal);
    free(f);
}

void
gw_function_release(struct gw *gw, struct gw_function *f)
{
    (void)gw;
    f->refs--;
    if (f->removed && f->refs == 0 && sch_function_empty(&f->sch))
        forget(f);
}

/* ---- warnings, in measure ---- */

static void
say_unsaid(struct gw *gw, struct gw_function *f, int64_t now_ms)
{
    DL_DELETE2(gw->noisy, f, noisy_prev, noisy_next);
    f->noisy = false;
    log_warning("function %s: %u more warnings about its instances were left out", f->name,
                f->unsaid);
    f->unsaid = 0;
    f->said_ms = now_ms;
}

void
gw_function_warn(struct gw *gw, struct gw_function *f, const char *fmt, ...)
{
    gw_locked struct gw *held = gw_lock(gw);
    int64_t now_ms = gw_now_ms();
    char text[256];
    va_list ap;

    if (f->said_ms != 0 && now_ms - f->said_ms < NOISE_MS) {
        f->unsaid++;
        if (!f->noisy)
            DL_APPEND2(gw->noisy, f, noisy_prev, noisy_next);
        f->noisy = true;
        return;
    }
    if (f->noisy)
        say_unsaid(gw, f, now_ms);
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    log_warning("function %s: %s", f->name, text);
    f->said_ms = now_ms;
}

void
gw_function_say_unsaid(struct gw *gw)
{
    struct gw_function *f, *next;
    int64_t now_ms = gw_now_ms();

    DL_FOREACH_SAFE2(gw->noisy, f, next, noisy_next)
    if (now_ms - f->said_ms >= NOISE_MS)
        say_unsaid(gw, f, now_ms);
}

/* ---- the end of one, changes ---- */

void
gw_function_remove(struct gw *gw, struct gw_function *f)
{
    if (f->removed)
        return;
    f->removed = true;
    f->refs++;
    if (f->noisy)
        say_unsaid(gw, f, gw_now_ms());
    HASH_DEL(gw->functions, f);
    sch_function_remove(gw->sch, &f->sch, gw_now_ns());
    gw_dispatch(gw_main_loop(gw));
    gw_function_release(gw, f);
}

void
gw_function_apply(struct gw *gw, struct gw_function *f, bool renew)
{
    sch_function_change(gw->sch, &f->sch, &f->settings.numbers, renew ? f->sch.generation + 1 : 0,
                        gw_now_ns());
    for (struct gw_instance *inst = f->instances; inst != NULL; inst = inst->next)
        gw_instance_publish_limits(inst);
    gw_dispatch(gw_main_loop(gw));
}

struct gw_version *
gw_function_version(struct gw_function *f, uint32_t number)
{
    for (struct gw_version *v = f->versions; v != NULL; v = v->next)
        if (v->number == number)
            return v;
    return NULL;
}

void
gw_function_count_error(struct gw *gw, struct gw_function *f, enum gw_code code)
{
    gw_locked struct gw *held = gw_lock(gw);

    f->errors[code]++;
}

int
gw_function_check_room(struct gw *gw, const struct gw_function *f,
                       const struct gw_settings *settings, struct gw_bad_setting *bad)
{
    char budget[24];

    if (sch_fits(gw->sch, f != NULL ? &f->sch : NULL, &settings->numbers))
        return 0;
    (void)strcpy(bad->name, "min");
    (void)snprintf(bad->allowed, sizeof bad->allowed,
                   "as many as fit with their memory into the memory_budget of %s, beside what "
                   "min keeps of other functions",
                   units_format_size(gw->memory_budget, budget, sizeof budget));
    return -EINVAL;
}

/* ---- as JSON ---- */

static json_t *
states_json(const struct gw_function *f)
{
    json_t *states = json_object();
    json_int_t total = 0;

    for (int s = 0; s < SCH_SLOT_STATE_COUNT; s++) {
        (void)json_object_set_new(states, sch_slot_state_name(s),
                                  json_integer(f->sch.slots[s].count));
        total += f->sch.slots[s].count;
    }
    (void)json_object_set_new(states, "total", json_integer(total));
    return states;
}

static json_t *
errors_json(const struct gw_function *f)
{
    json_t *errors = json_object();

    for (int c = 0; c < GW_CODE_COUNT; c++)
        if (f->errors[c] > 0)
            (void)json_object_set_new(errors, gw_code_name(c),
                                      json_integer((json_int_t)f->errors[c]));
    return errors;
}

static json_t *
memory_json(const struct gw_function *f)
{
    int64_t now = 0, peak = (int64_t)f->peak_bytes;

    for (struct gw_instance *i = f->instances; i != NULL; i = i->next) {
        int64_t mine = gw_instance_read(i->peak_fd);

        now += gw_instance_read(i->memory_fd);
        if (mine > peak)
            peak = mine;
    }
    return json_pack("{s:I,s:I,s:I}", "limit", (json_int_t)f->settings.numbers.memory, "now",
                     (json_int_t)now, "peak", (json_int_t)peak);
}

json_t *
gw_function_json(const struct gw_function *f)
{
    const struct sch_settings *n = &f->settings.numbers;
    json_t *limits =
        json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "memory", (json_int_t)n->memory, "timeout",
                  (json_int_t)n->timeout_ms, "min", (json_int_t)n->min, "max", (json_int_t)n->max,
                  "queue", (json_int_t)n->queue, "queue_timeout", (json_int_t)n->queue_timeout_ms,
                  "max_body", (json_int_t)n->max_body);

    return json_pack("{s:s,s:I,s:o,s:o,s:o,s:I,s:I,s:o,s:o}", "name", f->name, "version",
                     (json_int_t)f->live, "limits", limits, "settings",
                     gw_settings_json(&f->settings), "instances", states_json(f), "waiting",
                     (json_int_t)f->sch.waiting.count, "calls", (json_int_t)f->calls, "errors",
                     errors_json(f), "memory", memory_json(f));
}

static const char *
state_of(const struct gw_instance *inst)
{
    if (inst->slot != NULL)
        return sch_slot_state_name(inst->slot->state);
    return sch_slot_state_name(inst->phase == GW_INSTANCE_RETIRING ? SCH_SLOT_RETIRING
                                                                   : SCH_SLOT_STARTING);
}

json_t *
gw_function_instances_json(const struct gw_function *f)
{
    json_t *list = json_array();

    for (const struct gw_instance *i = f->instances; i != NULL; i = i->next)
        (void)json_array_append_new(
            list,
            json_pack("{s:I,s:s,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:f}", "id", (json_int_t)i->id, "state",
                      state_of(i), "version", (json_int_t)i->version, "pid", (json_int_t)i->pid,
                      "age", (json_int_t)(gw_now_ms() - i->born_ms), "calls", (json_int_t)i->calls,
                      "memory", (json_int_t)gw_instance_read(i->memory_fd), "memory_peak",
                      (json_int_t)gw_instance_read(i->peak_fd), "memory_limit",
                      (json_int_t)i->limit_bytes, "cpu", (double)gw_instance_cpu_us(i) / 1000.0));
    return json_pack("{s:o}", "instances", list);
}

json_t *
gw_function_versions_json(const struct gw_function *f)
{
    json_t *list = json_array();

    for (const struct gw_version *v = f->versions; v != NULL; v = v->next)
        (void)json_array_append_new(
            list, json_pack("{s:I,s:I,s:I,s:b}", "version", (json_int_t)v->number, "created",
                            (json_int_t)v->created_ms, "bytes", (json_int_t)v->object_bytes, "live",
                            v->number == f->live));
    return json_pack("{s:I,s:o}", "live", (json_int_t)f->live, "versions", list);
}
