/* profile.c: POST …/profile: one instance of the function samples its allocations for some seconds;
 * the answer is what its call stacks have allocated, as folded stacks or for pprof. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "admin.h"
#include "cleanup.h"
#include "clock.h"
#include "container.h"
#include "instance.h"
#include "profile_data.h"
#include "settings_json.h"
#include "store.h"

#define SECONDS_MOST 300
#define RETRY_MS     20
#define LOOK_MS      100 /* whether the time is over, or the daemon is to end */

struct gw_profile {
    struct gw_profiler profiler;
    struct gw *gw;
    struct gw_request *req;
    struct gw_instance *instance; /* NULL: it has ended, or its result is here */
    struct gw_timer timer;
    uv_work_t work;
    char name[LIMIT_NAME + 1];
    uint32_t version;
    int64_t seconds, begin_by_ms, took_ms;
    int64_t begun_ms;      /* wall clock */
    int64_t measured_from; /* gw_now_ms() */
    bool live, pprof, json;
    char *text; /* as it comes */
    size_t len;
    FILE *out;
    int status;
    char *answer;
    size_t answer_len;
};

static void
profile_free(struct gw_profile *profile)
{
    if (profile->out != NULL)
        (void)fclose(profile->out);
    gw_timer_unset(gw_main_loop(profile->gw), &profile->timer);
    free(profile->text);
    free(profile);
}

static void
fail(struct gw_profile *profile, const char *why)
{
    struct gw_request *req = profile->req;

    profile_free(profile);
    gw_request_problem(req, GW_PROFILE_FAILED, NULL, "%s", why);
}

/* ---- the answer, in the thread pool ---- */

static void
name_frames(struct gw_profile *p, struct profile *profile)
{
    size_t len = 0;
    cleanup_free unsigned char *object = store_object(p->name, p->version, &len);
    struct elf_symbols symbols;

    if (object == NULL || elf_symbols_read(&symbols, object, len) < 0)
        return; /* then only what it exports has a name */
    profile_name(profile, &symbols);
    elf_symbols_clear(&symbols);
}

static void
print_json(json_t *json, FILE *out)
{
    (void)json_dumpf(json, out, JSON_INDENT(2));
    json_decref(json);
}

static void
make_answer(uv_work_t *work)
{
    struct gw_profile *p = work->data;
    struct profile profile;
    FILE *out = open_memstream(&p->answer, &p->answer_len);

    p->status = profile_read(&profile, p->text);
    if (out == NULL)
        p->status = -ENOMEM;
    if (p->status == 0) {
        name_frames(p, &profile);
        if (p->pprof)
            profile_print_pprof(&profile, p->begun_ms * 1000000, p->took_ms * 1000000, out);
        else if (p->json)
            print_json(profile_json(&profile, p->live), out);
        else
            profile_print_folded(&profile, p->live, out);
    }
    if (out != NULL && fclose(out) != 0)
        p->status = -ENOMEM;
    profile_clear(&profile);
}

static void
on_answer(uv_work_t *work, int status)
{
    struct gw_profile *p = work->data;
    struct gw_request *req = p->req;
    gw_locked struct gw *held = gw_lock(req->gw);

    (void)status;
    if (p->status < 0) {
        free(p->answer);
        fail(p, p->status == -ENOMEM ? "no memory for the profile"
                                     : "the instance sent a profile that cannot be read");
        return;
    }
    gw_request_text(req, 200,
                    p->pprof  ? "application/vnd.google.protobuf"
                    : p->json ? "application/json"
                              : "text/plain; charset=utf-8",
                    p->answer, p->answer_len);
    profile_free(p);
}

/* ---- the instance ---- */

static void
on_time(struct gw_timer *timer)
{
    struct gw_profile *p = container_of(timer, struct gw_profile, timer);
    gw_locked struct gw *held = gw_lock(p->gw);

    p->took_ms = gw_now_ms() - p->measured_from;
    if (p->took_ms >= p->seconds * 1000 || p->gw->draining)
        gw_instance_profile_end(p->instance);
    else
        gw_timer_set(gw_main_loop(p->gw), &p->timer, LOOK_MS, on_time);
}

static void
on_begun(struct gw_profiler *profiler)
{
    struct gw_profile *p = container_of(profiler, struct gw_profile, profiler);

    p->begun_ms = clock_wall_ms();
    p->measured_from = gw_now_ms();
    gw_timer_set(gw_main_loop(p->gw), &p->timer, LOOK_MS, on_time);
}

static bool
on_data(struct gw_profiler *profiler, const void *bytes, size_t n, bool end)
{
    struct gw_profile *p = container_of(profiler, struct gw_profile, profiler);

    if (p->len + n > PROFILE_MOST || memchr(bytes, '\0', n) != NULL) {
        p->instance = NULL;
        fail(p, "the instance sent a profile that cannot be read");
        return false;
    }
    (void)fwrite(bytes, 1, n, p->out);
    (void)fflush(p->out); /* brings `len` up to date */
    if (!end)
        return true;
    p->instance = NULL;
    (void)fclose(p->out);
    p->out = NULL;
    p->work.data = p;
    (void)uv_queue_work(gw_main_loop(p->gw)->uv, &p->work, make_answer, on_answer);
    return true;
}

static void
on_gone(struct gw_profiler *profiler)
{
    fail(container_of(profiler, struct gw_profile, profiler),
         "the instance ended before its profile was complete: see ends in …/memory, and the log");
}

/* ---- the request ---- */

static int
take_member(struct gw_profile *p, const char *name, json_t *value, struct gw_bad_setting *bad)
{
    if (strcmp(name, "seconds") == 0) {
        if (gw_json_whole(value, &p->seconds) && p->seconds >= 1 && p->seconds <= SECONDS_MOST)
            return 0;
        return gw_settings_blame(bad, name, "1 to 300 (seconds)");
    }
    if (strcmp(name, "value") == 0) {
        const char *text = json_string_value(value);

        p->live = text != NULL && strcmp(text, "live") == 0;
        if (p->live || (text != NULL && strcmp(text, "allocated") == 0))
            return 0;
        return gw_settings_blame(bad, name, "allocated or live");
    }
    return gw_settings_blame(bad, name, "seconds, value");
}

/* False: the request is answered. An empty body has the defaults. */
static bool
take_body(struct gw_profile *p, struct gw_request *req)
{
    json_error_t error;
    struct gw_bad_setting bad;
    json_t *body, *value;
    const char *name;
    int status = 0;

    if (req->len == 0)
        return true;
    body = json_loadb(req->body, req->len, JSON_REJECT_DUPLICATES, &error);
    if (!json_is_object(body)) {
        gw_request_problem(req, GW_BAD_JSON, NULL,
                           "expected a JSON object such as "
                           "{\"seconds\": 10, \"value\": \"live\"}");
        json_decref(body);
        return false;
    }
    json_object_foreach (body, name, value)
        if (status == 0)
            status = take_member(p, name, value, &bad);
    if (status < 0)
        gw_request_bad_setting(req, &bad);
    json_decref(body);
    return status == 0;
}

/* The one that is most likely to have the next calls. */
static struct gw_instance *
choose(const struct gw_function *f)
{
    const struct sch_slot *slot = f->sch.slots[SCH_SLOT_BUSY].head;

    if (slot == NULL)
        slot = f->sch.slots[SCH_SLOT_IDLE].head;
    return slot != NULL ? slot->user : NULL;
}

static void begin(struct gw_profile *p);

static void
on_retry(struct gw_timer *timer)
{
    struct gw_profile *p = container_of(timer, struct gw_profile, timer);
    gw_locked struct gw *held = gw_lock(p->gw);

    begin(p);
}

/* With the first instance that there is; the function may have none yet. */
static void
begin(struct gw_profile *p)
{
    struct gw_function *f = gw_function_find(p->gw, p->name, strlen(p->name));

    p->instance = f != NULL ? choose(f) : NULL;
    if (p->instance != NULL && gw_instance_profile(p->instance, &p->profiler))
        p->version = p->instance->version;
    else if (f == NULL || gw_now_ms() > p->begin_by_ms)
        fail(p, p->instance != NULL
                    ? "its instance is being profiled already, or is about to end: try again"
                    : "the function has no instance: call it meanwhile");
    else
        gw_timer_set(gw_main_loop(p->gw), &p->timer, RETRY_MS, on_retry);
}

void
gw_profile_post(struct gw_request *req)
{
    struct gw_function *f = gw_request_function(req);
    struct gw_profile *p;

    if (f == NULL)
        return;
    p = calloc(1, sizeof *p);
    if (p == NULL) {
        gw_request_problem(req, GW_INTERNAL, NULL, "no memory");
        return;
    }
    p->seconds = 10;
    if (!take_body(p, req)) {
        free(p);
        return;
    }
    p->gw = req->gw;
    p->req = req;
    p->pprof = req->wants_protobuf;
    p->json = req->wants_json;
    p->profiler = (struct gw_profiler){.begun = on_begun, .data = on_data, .gone = on_gone};
    p->begin_by_ms = gw_now_ms() + p->seconds * 1000;
    memcpy(p->name, f->name, sizeof p->name);
    p->out = open_memstream(&p->text, &p->len);
    if (p->out == NULL)
        fail(p, "no memory");
    else
        begin(p);
}
