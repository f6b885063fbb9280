/* manage.c: the handlers for deployed functions. Disk access runs in the thread pool. The records
 * change only after it has succeeded. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin.h"
#include "cleanup.h"
#include "container.h"
#include "event_log.h"
#include "function.h"
#include "instance.h"
#include "loop.h"
#include "network.h"
#include "query.h"
#include "settings_json.h"
#include "show.h"
#include "store.h"
#include "turns.h"

#define JSON_FLAGS (JSON_REJECT_DUPLICATES)

struct gw_function *
gw_request_function(struct gw_request *req)
{
    struct gw_function *f = gw_function_find(req->gw, req->name, strlen(req->name));

    if (f == NULL || f->live == 0) {
        gw_request_problem(req, GW_FUNCTION_NOT_FOUND, NULL, "no function \"%s\" is deployed",
                           req->name);
        return NULL;
    }
    return f;
}

static json_t *
object_of(struct gw_request *req)
{
    json_error_t error;
    json_t *body = json_loadb(req->body != NULL ? req->body : "", req->len, JSON_FLAGS, &error);

    if (json_is_object(body))
        return body;
    if (body != NULL)
        gw_request_problem(req, GW_BAD_JSON, NULL, "expected a JSON object");
    else
        gw_request_problem(req, GW_BAD_JSON, NULL, "line %d, column %d: %s", error.line,
                           error.column, error.text);
    json_decref(body);
    return NULL;
}

char *
gw_manage_version_text(const struct gw_version *version, const struct gw_settings *settings)
{
    json_t *json =
        json_pack("{s:I,s:I,s:I,s:o}", "version", (json_int_t)version->number, "created",
                  (json_int_t)version->created_ms, "disk", (json_int_t)version->disk_bytes,
                  "settings", gw_settings_json(settings));
    char *text = json_dumps(json, JSON_INDENT(2));

    json_decref(json);
    return text;
}

/* ---- reading ---- */

static int
by_name(const struct gw_function *a, const struct gw_function *b)
{
    return strcmp(a->name, b->name);
}

void
gw_manage_list(struct gw_request *req)
{
    json_t *list = json_array();
    struct gw_function *f, *next;

    HASH_SORT(req->gw->functions->table, by_name);
    HASH_ITER (hh, req->gw->functions->table, f, next)
        if (f->live > 0)
            (void)json_array_append_new(list, gw_show_function(f));
    gw_request_json(req, 200, json_pack("{s:o}", "functions", list));
}

void
gw_manage_get(struct gw_request *req)
{
    struct gw_function *f = gw_request_function(req);

    if (f != NULL)
        gw_request_json(req, 200, gw_show_function(f));
}

void
gw_manage_versions(struct gw_request *req)
{
    struct gw_function *f = gw_request_function(req);

    if (f != NULL)
        gw_request_json(req, 200, gw_show_versions(f));
}

/* A request for the instances that waits for a look at their connections. */
struct look {
    struct gw_network_waiter waiter;
    struct gw_request *req;
    struct gw_function *function; /* held */
};

static void
on_looked(struct gw_network_waiter *waiter)
{
    struct look *look = container_of(waiter, struct look, waiter);

    gw_request_json(look->req, 200, gw_show_instances(look->function));
    gw_function_release(waiter->gw, look->function);
    free(look);
}

void
gw_manage_instances(struct gw_request *req)
{
    struct gw_function *f = gw_request_function(req);

    struct look *look;

    if (f == NULL)
        return;
    look = calloc(1, sizeof *look);
    if (look != NULL) {
        look->req = req;
        look->function = f;
        look->waiter.done = on_looked;
        if (gw_network_look(req->gw, f, &look->waiter)) {
            f->refs++;
            return;
        }
        free(look);
    }
    gw_request_json(req, 200, gw_show_instances(f));
}

void
gw_manage_memory(struct gw_request *req)
{
    struct gw_function *f = gw_request_function(req);

    if (f != NULL)
        gw_request_json(req, 200, gw_show_memory(f));
}

/* ---- changing: first the disk, then the record ---- */

/* A stored PATCH that waits until every running instance has the new limit. */
struct gw_patch {
    struct gw_limit_waiter waiter;
    struct gw_request *req;
    json_t *answer, *applied, *each;
    unsigned waiting, live, replaced, later;
};

struct job {
    struct gw_turn turn;
    uv_work_t work;
    struct gw *gw;
    struct gw_request *req;
    struct gw_function *function;
    struct gw_settings settings; /* as they will be */
    char *json;
    uint32_t version;
    int status;
    struct hearth_err err;
    json_t *changed; /* the body of a PATCH */
    struct gw_patch *patch;
};

static struct job *
job_new(struct gw_request *req, struct gw_function *f, void (*go)(struct gw_turn *))
{
    struct job *job = calloc(1, sizeof *job);

    if (job == NULL) {
        gw_request_problem(req, GW_INTERNAL, NULL, "no memory");
        return NULL;
    }
    job->turn.go = go;
    job->work.data = job;
    job->req = req;
    job->gw = req->gw;
    job->function = f;
    return job;
}

static void
job_forget(struct job *job)
{
    gw_settings_clear(&job->settings);
    json_decref(job->changed);
    free(job->patch);
    free(job->json);
    free(job);
}

/* Ends the turn. The request has been answered, or its owner answers it later. */
static void
job_free(struct job *job)
{
    struct gw_function *f = job->function;
    struct gw *gw = job->gw;

    job_forget(job);
    gw_turn_end(gw, f);
}

static void
job_begin(struct job *job)
{
    if (gw_turn_take(job->function, &job->turn, false) == 0)
        return;
    gw_request_problem(job->req, GW_OVERLOADED, NULL,
                       "too many changes of this function are waiting");
    job_forget(job);
}

/* The job of a turn. If the function has been removed meanwhile, answers and returns NULL. */
static struct job *
job_of_turn(struct gw_turn *turn)
{
    struct job *job = container_of(turn, struct job, turn);
    struct gw_function *f = job->function;

    if (!f->removed && f->live != 0)
        return job;
    gw_request_problem(job->req, GW_FUNCTION_NOT_FOUND, NULL, "no function \"%s\" is deployed",
                       f->name);
    job_free(job);
    return NULL;
}

enum gw_code
gw_storage_code(int status)
{
    return status == -ENOSPC || status == -EDQUOT ? GW_STORAGE_FULL : GW_STORAGE_FAILED;
}

static void
job_failed(struct job *job)
{
    gw_request_problem(job->req, gw_storage_code(job->err.code), NULL, "%s", job->err.text);
    job_free(job);
}

/* ---- PATCH ---- */

static void
patch_answer(struct gw_patch *patch)
{
    if (json_object_get(patch->applied, "memory") != NULL)
        (void)json_object_set_new(patch->applied, "memory",
                                  json_pack("{s:s,s:i,s:i,s:i,s:O}", "reach", "running instances",
                                            "instances", (int)patch->live, "after_their_call",
                                            (int)patch->later, "replaced_after_their_call",
                                            (int)patch->replaced, "each", patch->each));
    (void)json_object_set_new(patch->answer, "applied", patch->applied);
    json_decref(patch->each);
    gw_request_json(patch->req, 200, patch->answer);
    free(patch);
}

static void
note_limit(struct gw_patch *patch, const struct gw_instance *inst, unsigned *count, const char *how)
{
    (*count)++;
    (void)json_array_append_new(patch->each,
                                json_pack("{s:I,s:s}", "id", (json_int_t)inst->id, "limit", how));
}

static void
on_limited(struct gw_limit_waiter *waiter, const struct gw_instance *inst, int status)
{
    struct gw_patch *patch = container_of(waiter, struct gw_patch, waiter);

    if (status == 0)
        note_limit(patch, inst, &patch->live, "changed");
    else if (status != -ESRCH)
        note_limit(patch, inst, &patch->replaced, "replaced");
    if (--patch->waiting == 0)
        patch_answer(patch);
}

static json_t *
applied_json(json_t *changed)
{
    static const char *const reach[] = {
        [SCH_REACH_LIVE] = "at once",
        [SCH_REACH_CALLS] = "new calls",
        [SCH_REACH_INSTANCES] = "new instances",
        [SCH_REACH_BUILD] = "next deploy",
    };
    json_t *applied = json_object();
    const char *name;
    json_t *value;

    json_object_foreach (changed, name, value) {
        const struct sch_setting *row = sch_setting_find(name);

        (void)json_object_set_new(applied, name, json_string(reach[row->reach]));
    }
    return applied;
}

/* Brings the new limit to every running instance. The answer waits for the kernel's results, but
 * not for calls to end. */
static void
apply_memory(struct gw_function *f, struct gw_patch *patch)
{
    int64_t memory = f->settings.numbers.memory;

    for (struct gw_instance *inst = f->instances; inst != NULL; inst = inst->next) {
        const struct sch_slot *slot = inst->slot;

        if (inst->phase >= GW_INSTANCE_RETIRING || inst->checker != NULL || !inst->open ||
            inst->is_template)
            continue;
        if (slot != NULL && slot->doomed) { /* it ends after its call */
            note_limit(patch, inst, &patch->replaced, "replaced");
            continue;
        }
        if (inst->limit_bytes == memory)
            note_limit(patch, inst, &patch->live, "changed");
        else if (inst->waiter != NULL ||
                 (slot != NULL && memory < inst->limit_bytes && slot->state != SCH_SLOT_IDLE))
            note_limit(patch, inst, &patch->later, "after its call");
        else {
            inst->waiter = &patch->waiter;
            patch->waiting++;
        }
        gw_instance_follow_limit(inst);
    }
}

static bool
renews_instances(json_t *changed)
{
    const char *name;
    json_t *value;

    json_object_foreach (changed, name, value)
        if (sch_setting_find(name)->reach == SCH_REACH_INSTANCES)
            return true;
    return false;
}

/* The names of the settings: they are those of the table, and need no escaping. */
static void
tell_changed(const struct gw_function *f, json_t *changed)
{
    char names[200] = "";
    const char *name;
    json_t *value;

    json_object_foreach (changed, name, value) {
        size_t used = strlen(names);

        (void)snprintf(names + used, sizeof names - used, "%s\"%s\"", used > 0 ? "," : "", name);
    }
    if (strlen(names) + 1 < sizeof names)
        gw_event(f->name, "settings_changed", ",\"settings\":[%s]", names);
}

/* ended: connections to destinations that were removed. */
static void
tell_network(json_t *applied, bool renewed, unsigned ended)
{
    if (json_object_get(applied, "network") == NULL)
        return;
    if (renewed) /* a function without destinations has other filters */
        (void)json_object_set_new(applied, "network", json_string("new instances"));
    else if (ended > 0)
        (void)json_object_set_new(
            applied, "network",
            json_sprintf("at once; %u open connection%s to removed destinations ended", ended,
                         ended == 1 ? "" : "s"));
}

static void
on_patch_stored(uv_work_t *work, int status)
{
    struct job *job = work->data;
    struct gw_function *f = job->function;
    struct gw *gw = job->req->gw;
    struct gw_settings was = f->settings;
    struct gw_patch *patch = job->patch;
    bool renewed;
    unsigned ended;
    gw_locked struct gw *held = gw_lock(gw);

    (void)status;
    if (job->status < 0) {
        job_failed(job);
        return;
    }
    job->patch = NULL;
    tell_changed(f, job->changed);
    f->settings = job->settings;
    job->settings = was;
    renewed = !gw_settings_same_instance(&was, &f->settings);
    gw_function_apply(gw, f, renewed || renews_instances(job->changed));
    gw_instances_follow_settings(f);
    gw_template_follow(f);
    patch->req = job->req;
    patch->waiter.done = on_limited;
    patch->waiting = 1; /* one for this function, until all limits are sent */
    patch->applied = applied_json(job->changed);
    ended = gw_network_follow(f);
    tell_network(patch->applied, renewed, ended);
    patch->each = json_array();
    if (f->settings.numbers.memory != was.numbers.memory ||
        f->settings.numbers.cpu != was.numbers.cpu)
        apply_memory(f, patch);
    patch->answer = gw_show_function(f);
    if (--patch->waiting == 0)
        patch_answer(patch);
    job_free(job);
}

static void
store_patch(uv_work_t *work)
{
    struct job *job = work->data;

    job->status = store_settings(job->function->name, job->version, job->json, &job->err);
}

/* Applies the patch to a copy of the settings and prepares the answer. Returns 0 or a negative
 * errno; -EINVAL: *bad is filled. */
static int
apply_patch(struct job *job, struct gw_bad_setting *bad)
{
    struct gw_function *f = job->function;
    struct gw_version *version = gw_function_version(f, f->live);
    int status = gw_settings_copy(&job->settings, &f->settings);

    /* everything that the answer needs, before anything is changed */
    job->patch = calloc(1, sizeof *job->patch);
    if (status == 0 && job->patch == NULL)
        status = -ENOMEM;
    if (status == 0)
        status = gw_settings_from_json(&job->settings, job->changed, bad);
    if (status == 0)
        status = gw_settings_check(&job->settings, bad);
    if (status == 0)
        status = gw_function_check_room(job->gw, f, &job->settings, bad);
    if (status < 0)
        return status;
    job->version = f->live;
    job->json = gw_manage_version_text(
        version != NULL ? version : &(struct gw_version){.number = f->live}, &job->settings);
    return job->json != NULL ? 0 : -ENOMEM;
}

static void
on_patch_turn(struct gw_turn *turn)
{
    struct job *job = job_of_turn(turn);
    struct gw_bad_setting bad;
    int status = job != NULL ? apply_patch(job, &bad) : 0;

    if (job == NULL)
        return;
    if (status == 0) {
        (void)uv_queue_work(gw_main_loop(job->gw)->uv, &job->work, store_patch, on_patch_stored);
        return;
    }
    if (status == -EINVAL)
        gw_request_bad_setting(job->req, &bad);
    else
        gw_request_problem(job->req, GW_INTERNAL, NULL, "no memory");
    job_free(job);
}

void
gw_manage_patch(struct gw_request *req)
{
    struct gw_function *f = gw_request_function(req);
    json_t *patch = f != NULL ? object_of(req) : NULL;
    struct job *job = patch != NULL ? job_new(req, f, on_patch_turn) : NULL;

    if (job == NULL) {
        json_decref(patch);
        return;
    }
    job->changed = patch;
    job_begin(job);
}

/* ---- DELETE ---- */

static void
store_delete(uv_work_t *work)
{
    struct job *job = work->data;

    job->status = store_remove(job->function->name, &job->err);
}

static void
on_deleted(uv_work_t *work, int status)
{
    struct job *job = work->data;
    gw_locked struct gw *held = gw_lock(job->req->gw);

    (void)status;
    if (job->status < 0) {
        job->function->deleting = false;
        job_failed(job);
        return;
    }
    gw_event(job->function->name, "deleted", "%s", "");
    gw_function_remove(job->req->gw, job->function);
    gw_template_follow(job->function);
    gw_request_text(job->req, 204, "", strdup(""), 0);
    job_free(job);
}

static void
on_delete_turn(struct gw_turn *turn)
{
    struct job *job = job_of_turn(turn);

    if (job == NULL)
        return;
    job->function->deleting = true;
    (void)uv_queue_work(gw_main_loop(job->gw)->uv, &job->work, store_delete, on_deleted);
}

void
gw_manage_delete(struct gw_request *req)
{
    struct gw_function *f = gw_request_function(req);
    struct job *job = f != NULL ? job_new(req, f, on_delete_turn) : NULL;

    if (job != NULL)
        job_begin(job);
}

/* ---- rollback ---- */

static void
store_rollback(uv_work_t *work)
{
    struct job *job = work->data;

    /* a rollback keeps the current settings */
    job->status = store_settings(job->function->name, job->version, job->json, &job->err);
    if (job->status == 0)
        job->status = store_live(job->function->name, job->version, &job->err);
}

static void
on_rolled_back(uv_work_t *work, int status)
{
    struct job *job = work->data;
    struct gw_function *f = job->function;
    gw_locked struct gw *held = gw_lock(job->req->gw);

    (void)status;
    if (job->status < 0) {
        job_failed(job);
        return;
    }
    f->live = job->version;
    gw_event(f->name, "rolled_back", ",\"version\":%u", f->live);
    gw_function_apply(job->req->gw, f, true);
    gw_template_follow(f);
    gw_request_json(job->req, 200, gw_show_function(f));
    job_free(job);
}

static void
on_rollback_turn(struct gw_turn *turn)
{
    struct job *job = job_of_turn(turn);
    struct gw_function *f = job != NULL ? job->function : NULL;
    struct gw_version *version = job != NULL ? gw_function_version(f, job->version) : NULL;

    if (job == NULL)
        return;
    if (version == NULL) {
        gw_request_problem(job->req, GW_VERSION_NOT_FOUND, NULL,
                           "expected {\"version\": N}; see GET …/versions");
        job_free(job);
        return;
    }
    job->json = gw_manage_version_text(version, &f->settings);
    if (job->json == NULL) {
        gw_request_problem(job->req, GW_INTERNAL, NULL, "no memory");
        job_free(job);
        return;
    }
    (void)uv_queue_work(gw_main_loop(job->gw)->uv, &job->work, store_rollback, on_rolled_back);
}

void
gw_manage_rollback(struct gw_request *req)
{
    struct gw_function *f = gw_request_function(req);
    json_t *body = f != NULL ? object_of(req) : NULL;
    struct job *job = body != NULL ? job_new(req, f, on_rollback_turn) : NULL;
    int64_t number = 0;

    if (job != NULL) {
        (void)gw_json_whole(json_object_get(body, "version"), &number);
        job->version = number > 0 && number <= UINT32_MAX ? (uint32_t)number : 0;
        job_begin(job);
    }
    json_decref(body);
}
