/* function.c: the registry of functions. With the lock held. */
#include "functions/function.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

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
    gw_function_release(gw, f);
}

void
gw_function_apply(struct gw *gw, struct gw_function *f, bool renew)
{
    sch_function_change(gw->sch, &f->sch, &f->settings.numbers, renew ? f->sch.generation + 1 : 0,
                        gw_now_ns());
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
