/* keep.c: see keep.h. */
#include "keep.h"

#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "function.h"
#include "log.h"
#include "memory_use.h"
#include "settings_json.h"
#include "store.h"

#define EVERY_MS 60000

/* A copy, to be written in the thread pool. */
struct kept {
    struct kept *next;
    char name[LIMIT_NAME + 1];
    char *text;
};

struct batch {
    uv_work_t work;
    struct kept *first;
};

static uv_timer_t timer;
static bool writing;

/* All that has changed since it was copied last. */
static struct kept *
collect(struct gw *gw)
{
    gw_locked struct gw *held = gw_lock(gw);
    struct gw_function *f, *next;
    struct kept *first = NULL;

    HASH_ITER (hh, gw->functions->table, f, next) {
        struct memory_use *use = f->memory;
        struct kept *one;
        json_t *json;

        if (use == NULL || f->live == 0 || f->deleting ||
            (use->until_ms == use->kept_ms && use->limit == f->settings.numbers.memory))
            continue;
        use->limit = f->settings.numbers.memory;
        one = calloc(1, sizeof *one);
        json = one != NULL ? memory_use_json(use) : NULL;
        if (json != NULL)
            one->text = json_dumps(json, JSON_COMPACT);
        json_decref(json);
        if (one == NULL || one->text == NULL) {
            free(one);
            break; /* the next time */
        }
        use->kept_ms = use->until_ms;
        memcpy(one->name, f->name, sizeof one->name);
        one->next = first;
        first = one;
    }
    return first;
}

/* A function that was deleted meanwhile has no folder: nothing is written then. */
static void
write_all(struct kept *first)
{
    while (first != NULL) {
        struct kept *one = first;
        struct hearth_err err = {0};

        first = one->next;
        if (store_keep_memory(one->name, one->text, &err) < 0 && err.code != -ENOENT)
            log_warning("%s", err.text);
        free(one->text);
        free(one);
    }
}

static void
write_batch(uv_work_t *work)
{
    struct batch *batch = work->data;

    write_all(batch->first);
}

static void
on_written(uv_work_t *work, int status)
{
    (void)status;
    writing = false;
    free(work->data);
}

static void
on_minute(uv_timer_t *minute)
{
    struct batch *batch = writing ? NULL : calloc(1, sizeof *batch);

    if (batch == NULL)
        return;
    batch->first = collect(minute->data);
    batch->work.data = batch;
    if (batch->first == NULL) {
        free(batch);
        return;
    }
    writing = true;
    (void)uv_queue_work(minute->loop, &batch->work, write_batch, on_written);
}

static void
read_one(struct gw_function *f)
{
    cleanup_free char *text = store_memory(f->name);
    struct memory_use *use = text != NULL ? calloc(1, sizeof *use) : NULL;
    json_t *json = use != NULL ? json_loads(text, 0, NULL) : NULL;

    if (use == NULL)
        return;
    if (json != NULL && memory_use_from_json(use, json)) {
        f->memory = use;
        if (f->settings.numbers.memory_auto != 0 && use->limit > 0) {
            f->settings.numbers.memory = use->limit;
            gw_settings_bound(&f->settings.numbers);
        }
    } else {
        log_warning("function %s: memory.json cannot be read: its memory is measured anew",
                    f->name);
        free(use);
    }
    json_decref(json);
}

void
gw_keep_start(struct gw *gw)
{
    struct gw_function *f, *next;

    HASH_ITER (hh, gw->functions->table, f, next)
        read_one(f);
    timer.data = gw;
    (void)uv_timer_init(gw_main_loop(gw)->uv, &timer);
    (void)uv_timer_start(&timer, on_minute, EVERY_MS, EVERY_MS);
}

void
gw_keep_last(struct gw *gw)
{
    write_all(collect(gw));
}
