/* function.c: the registry of functions. Call with the lock held. */
#include "function.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "filter.h"
#include "journal.h"
#include "log.h"
#include "loop.h"
#include "settings_json.h"
#include "units.h"

#define NOISE_MS 1000

struct gw_function *
gw_function_find(struct gw *gw, const char *name, size_t len)
{
    struct gw_function *f = NULL;

    if (len >= 1 && len <= LIMIT_NAME)
        HASH_FIND(hh, gw->functions->table, name, len, f);
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
    HASH_ADD_STR(gw->functions->table, name, f);
    return f;
}

static void
free_function(struct gw_function *f)
{
    while (f->versions != NULL) {
        struct gw_version *version = f->versions;

        f->versions = version->next;
        free(version);
    }
    assert(f->gone == NULL); /* its instances have ended, and released those */
    gw_settings_clear(&f->settings);
    gw_journal_free(f->journal);
    free(f->memory);
    free(f->refused);
    free(f);
}

void
gw_function_release(struct gw *gw, struct gw_function *f)
{
    f->refs--;
    if (!f->removed || f->refs > 0 || !sch_function_empty(&f->sch))
        return;
    if (f->noisy) /* an instance of it warned after it was removed */
        DL_DELETE2(gw->functions->noisy, f, noisy_prev, noisy_next);
    free_function(f);
}

/* ---- warnings, rate-limited ---- */

static void
report_suppressed(struct gw *gw, struct gw_function *f, int64_t now_ms)
{
    DL_DELETE2(gw->functions->noisy, f, noisy_prev, noisy_next);
    f->noisy = false;
    log_warning("function %s: %u more warnings about its instances were suppressed", f->name,
                f->suppressed);
    f->suppressed = 0;
    f->warned_ms = now_ms;
}

void
gw_function_warn(struct gw *gw, struct gw_function *f, const char *fmt, ...)
{
    gw_locked struct gw *held = gw_lock(gw);
    int64_t now_ms = gw_now_ms();
    char text[256];
    va_list ap;

    if (f->warned_ms != 0 && now_ms - f->warned_ms < NOISE_MS) {
        f->suppressed++;
        if (!f->noisy)
            DL_APPEND2(gw->functions->noisy, f, noisy_prev, noisy_next);
        f->noisy = true;
        return;
    }
    if (f->noisy)
        report_suppressed(gw, f, now_ms);
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    log_warning("function %s: %s", f->name, text);
    f->warned_ms = now_ms;
}

void
gw_function_report_suppressed(struct gw *gw)
{
    struct gw_function *f, *next;
    int64_t now_ms = gw_now_ms();

    DL_FOREACH_SAFE2(gw->functions->noisy, f, next, noisy_next)
    if (now_ms - f->warned_ms >= NOISE_MS)
        report_suppressed(gw, f, now_ms);
}

/* ---- removal and changes ---- */

void
gw_disk_give(struct gw *gw, int64_t bytes)
{
    gw->functions->disk_used -= bytes;
}

void
gw_version_gone(struct gw *gw, struct gw_function *f, struct gw_version *version)
{
    if (f->instances != NULL) {
        version->next = f->gone;
        f->gone = version;
        return;
    }
    gw_disk_give(gw, version->disk_bytes);
    free(version);
}

bool
gw_disk_take(struct gw *gw, int64_t bytes)
{
    struct gw_functions *functions = gw->functions;

    if (functions->disk_budget > 0 && functions->disk_used + bytes > functions->disk_budget)
        return false;
    functions->disk_used += bytes;
    return true;
}

void
gw_function_remove(struct gw *gw, struct gw_function *f)
{
    if (f->removed)
        return;
    f->removed = true;
    f->refs++;
    if (f->noisy)
        report_suppressed(gw, f, gw_now_ms());
    while (f->versions != NULL) {
        struct gw_version *version = f->versions;

        f->versions = version->next;
        gw_version_gone(gw, f, version);
    }
    HASH_DEL(gw->functions->table, f);
    gw->functions->log_used -= f->log_disk;
    sch_function_remove(gw->functions->sch, &f->sch, gw_now_ns());
    gw_function_release(gw, f);
}

void
gw_function_apply(struct gw *gw, struct gw_function *f, bool renew)
{
    sch_function_change(gw->functions->sch, &f->sch, &f->settings.numbers,
                        renew ? f->sch.generation + 1 : 0, gw_now_ns());
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

    if (sch_fits(gw->functions->sch, f != NULL ? &f->sch : NULL, &settings->numbers))
        return 0;
    (void)strcpy(bad->name, "min");
    (void)snprintf(bad->allowed, sizeof bad->allowed,
                   "as many instances as fit into the memory_budget of %s, in addition to "
                   "the min of other functions",
                   units_format_size(gw->functions->memory_budget, budget, sizeof budget));
    return -EINVAL;
}

void
gw_function_count_refused(struct gw_function *f, int number, uint64_t count)
{
    if (f->refused == NULL && (f->refused = calloc(SBX_SYSCALLS, sizeof *f->refused)) == NULL)
        return;
    if (number >= 0 && number < SBX_SYSCALLS)
        f->refused[number] += count;
}

void
gw_version_add(struct gw_function *f, struct gw_version *version)
{
    struct gw_version **at = &f->versions;

    while (*at != NULL && (*at)->number > version->number)
        at = &(*at)->next;
    version->next = *at;
    *at = version;
    if (version->number > f->newest)
        f->newest = version->number;
}
