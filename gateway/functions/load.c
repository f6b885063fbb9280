/* load.c: loads the functions of the state folder at the start. */
#include "load.h"

#include <stdlib.h>
#include <string.h>

#include "function.h"
#include "log.h"
#include "loop.h"
#include "settings_json.h"
#include "store.h"

/* Applies each setting separately: one that a smaller host or another release does not accept is
 * logged, and the others still apply. */
static void
apply_settings(const struct gw *gw, struct gw_function *f, json_t *settings)
{
    struct gw_bad_setting bad;
    const char *name;
    json_t *value;

    json_object_foreach (settings, name, value) {
        json_t *one = json_pack("{s:O}", name, value);

        if (gw_settings_from_json(&f->settings, one, &bad) < 0) {
            log_warning("function %s: setting %s of the state folder is ignored: expected %s",
                        f->name, bad.name, bad.allowed);
            if (strcmp(name, "memory") == 0 &&
                json_integer_value(value) > gw->functions->memory_budget)
                f->settings.numbers.memory =
                    gw->functions->memory_budget; /* the nearest valid value */
        }
        json_decref(one);
    }
}

static void
on_version(void *user, const char *name, uint32_t number, const char *text, int live,
           int64_t object_bytes)
{
    struct gw *gw = user;
    struct gw_function *f = gw_function_find(gw, name, strlen(name));
    json_t *json = text != NULL ? json_loads(text, 0, NULL) : NULL;
    struct gw_version *version = calloc(1, sizeof *version);

    if (f == NULL)
        f = gw_function_add(gw, name);
    if (f != NULL && number > f->newest)
        f->newest = number; /* even if it is unreadable: the next version needs a new folder */
    if (f == NULL || version == NULL || !json_is_object(json)) {
        log_warning("version %u of %s is ignored: its function.json cannot be read", number, name);
        json_decref(json);
        free(version);
        return;
    }
    version->number = number;
    version->created_ms = json_integer_value(json_object_get(json, "created"));
    version->object_bytes = object_bytes;
    version->disk_bytes = json_integer_value(json_object_get(json, "disk"));
    if (version->disk_bytes < object_bytes) /* made by an older release */
        version->disk_bytes = object_bytes;
    gw->functions->disk_used += version->disk_bytes;
    gw_version_add(f, version);
    if (live) {
        f->live = number;
        apply_settings(gw, f, json_object_get(json, "settings"));
        gw_settings_bound(&f->settings.numbers);
    }
    json_decref(json);
}

/* A min that fitted a larger memory budget may not fit this one. */
static void
reduce_min_to_budget(struct gw *gw, struct gw_function *f)
{
    int64_t wanted = f->settings.numbers.min;

    while (f->settings.numbers.min > 0 &&
           !sch_fits(gw->functions->sch, &f->sch, &f->settings.numbers))
        f->settings.numbers.min--;
    if (f->settings.numbers.min < wanted)
        log_warning(
            "function %s: min is reduced from %lld to %lld for now: the instances do not fit "
            "into the memory_budget of %lld bytes, in addition to the min of the others",
            f->name, (long long)wanted, (long long)f->settings.numbers.min,
            (long long)gw->functions->memory_budget);
}

void
gw_functions_start(struct gw *gw)
{
    struct gw_function *f, *next;

    HASH_ITER (hh, gw->functions->table, f, next) {
        if (f->live == 0) {
            log_warning("function %s is ignored: its live version cannot be read. Its files are "
                        "kept",
                        f->name);
            gw_function_remove(gw, f);
            continue;
        }
        reduce_min_to_budget(gw, f);
        gw_function_apply(gw, f, false);
    }
}

int
gw_functions_load(struct gw *gw, char token[65], struct hearth_err *err)
{
    unsigned cleaned = 0;
    int status = store_open("/", &cleaned, err);

    if (status == 0)
        status = store_token(token, err);
    if (status == 0)
        status = store_load(on_version, gw, err);
    if (cleaned > 0)
        log_info("removed %u incomplete file%s or folder%s from the state folder", cleaned,
                 cleaned == 1 ? "" : "s", cleaned == 1 ? "" : "s");
    return status;
}
