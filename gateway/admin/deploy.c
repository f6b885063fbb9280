/* deploy.c: a new version step by step: stage the sources, build, check in a
 * sandboxed instance, keep, go live. The older version serves until the last
 * step; a step that fails leaves nothing behind. Disk work runs in the thread
 * pool; the function's record changes at the very end.
 */
#include "deploy.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "admin.h"
#include "cleanup.h"
#include "clock.h"
#include "container.h"
#include "event_log.h"
#include "function.h"
#include "instance.h"
#include "journal.h"
#include "log.h"
#include "loop.h"
#include "network.h"
#include "settings_json.h"
#include "show.h"
#include "store.h"
#include "text.h"
#include "turns.h"

#define RUNNING_MAX   8                           /* builds beside each other: LAUNCHER_BUILDS */
#define WAITING_MOST  64                          /* deploys, the running ones among them, */
#define WAITING_BYTES ((size_t)192 * 1024 * 1024) /* and their bodies together */
#define ROOM_MS       5                           /* between two looks for room */
#define ROOM_WAIT_MS  10000                       /* for room in the memory budget */
#define OUTPUT_LINES  40 /* of what a version printed that could not be started */
#define IMPORTS_MOST  30
#define SETTINGS_NAME "function.json"

static void pump(struct gw *gw);

/* ---- begin and end ---- */

/* Their pages count to the builder's control group, which the next instance may get. */
static void
close_built(struct gw_deploy *d)
{
    if (d->object_fd >= 0)
        (void)close(take_fd(&d->object_fd));
    if (d->said_fd >= 0)
        (void)close(take_fd(&d->said_fd));
    if (d->cache_fd >= 0)
        (void)close(take_fd(&d->cache_fd));
}

static void
deploy_free(struct gw_deploy *d)
{
    struct gw *gw = d->gw;
    struct gw_deploy **at = &gw->admin->deploys;

    while (*at != d)
        at = &(*at)->next;
    *at = d->next;
    if (d->running)
        gw->admin->deploys_running--;
    if (d->function != NULL) {
        struct gw_function *f = d->function;

        if (f->live == 0 && !f->removed) /* its first version never came */
            gw_function_remove(gw, f);
        gw_function_release(gw, f);
    }
    close_built(d);
    gw_settings_clear(&d->settings);
    free(d->bundle_json);
    free(d->version_json);
    free(d->said);
    json_decref(d->diagnostics);
    json_decref(d->imports);
    json_decref(d->ignored);
    json_decref(d->refused);
    free(d);
    pump(gw);
}

static void
unstage(uv_work_t *work)
{
    struct gw_deploy *d = work->data;

    store_unstage(d->name, d->version);
}

static void
on_unstaged(uv_work_t *work, int status)
{
    struct gw_deploy *d = work->data;
    gw_locked struct gw *held = gw_lock(d->gw);

    (void)status;
    deploy_free(d);
}

/* Answers, removes what was staged, and ends the deploy. */
static void
fail(struct gw_deploy *d, enum gw_code code, json_t *facts, const char *text)
{
    gw_timer_unset(gw_main_loop(d->gw), &d->retry);
    if (d->function != NULL)
        gw_turn_leave(d->gw, d->function, &d->turn);
    if (d->instance != NULL) {
        d->instance->checker = NULL;
        gw_instance_kill(d->instance, SCH_END_DEPLOYED);
        d->instance = NULL;
    }
    if (d->function != NULL && (d->function->removed || d->function->deleting)) {
        code = GW_FUNCTION_NOT_FOUND;
        text = "the function was deleted while it was deployed";
    }
    gw_request_problem(d->req, code, facts, "%s", text);
    d->req = NULL;
    gw_disk_give(d->gw, d->disk_held);
    d->disk_held = 0;
    (void)uv_queue_work(gw_main_loop(d->gw)->uv, &d->work, unstage, on_unstaged);
}

/* The settings of a deploy: those of now (or the defaults), then the bundle's,
 * then the query's. */
static int
make_settings(struct gw_deploy *d, struct gw_bad_setting *bad)
{
    struct gw_settings base = {0};
    json_t *bundle = NULL;
    int status = 0;

    sch_settings_default(&base.numbers);
    gw_settings_clear(&d->settings);
    if (gw_settings_copy(&d->settings, d->function != NULL && d->kind != GW_DEPLOY_SAVED
                                           ? &d->function->settings
                                           : &base) < 0)
        return -ENOMEM;
    if (d->bundle_json != NULL) {
        bundle = json_loads(d->bundle_json, JSON_REJECT_DUPLICATES, NULL);
        if (!json_is_object(bundle)) {
            json_decref(bundle);
            (void)snprintf(bad->name, sizeof bad->name, SETTINGS_NAME);
            (void)snprintf(bad->allowed, sizeof bad->allowed, "a JSON object of settings");
            return -EINVAL;
        }
        /* read by stage.c: they are of this version alone */
        (void)json_object_del(bundle, "build");
        (void)json_object_del(bundle, "language");
        (void)json_object_del(bundle, "handler");
        status = gw_settings_from_json(&d->settings, bundle, bad);
        json_decref(bundle);
    }
    if (status == 0 && d->kind != GW_DEPLOY_SAVED)
        status = gw_settings_from_query(&d->settings, d->req->query, bad);
    if (status == 0)
        status = gw_settings_check(&d->settings, bad);
    if (status < 0 || d->kept_only) /* its min takes no room */
        return status;
    return gw_function_check_room(d->gw, d->function, &d->settings, bad);
}

static json_t *
bad_setting_facts(const struct gw_bad_setting *bad)
{
    return json_pack("{s:s,s:s}", "setting", bad->name, "allowed", bad->allowed);
}

/* For one more deploy with a body of that size. */
static bool
have_room(const struct gw *gw, size_t bytes)
{
    unsigned count = 0;

    for (const struct gw_deploy *d = gw->admin->deploys; d != NULL; d = d->next) {
        count++;
        bytes += d->req != NULL ? d->req->len : 0;
    }
    return count < WAITING_MOST && bytes <= WAITING_BYTES;
}

static void
begin(struct gw_request *req, enum gw_deploy_kind kind)
{
    struct gw *gw = req->gw;
    struct gw_bad_setting bad = {"", ""};
    struct gw_deploy *d, **last = &gw->admin->deploys;

    if (req->len == 0) {
        gw_request_problem(req, GW_BAD_BUNDLE, NULL, "the body is empty");
        return;
    }
    if (!have_room(gw, req->len)) {
        gw_request_problem(req, GW_OVERLOADED, NULL, "too many deploys wait already");
        return;
    }
    d = calloc(1, sizeof *d);
    if (d == NULL) {
        gw_request_problem(req, GW_INTERNAL, NULL, "no memory");
        return;
    }
    d->gw = gw;
    d->req = req;
    d->kind = kind;
    d->work.data = d;
    d->object_fd = d->said_fd = d->cache_fd = -1;
    memcpy(d->name, req->name, sizeof d->name);
    d->function = gw_function_find(gw, d->name, strlen(d->name));
    if (make_settings(d, &bad) < 0) { /* said early, before anything is begun */
        gw_request_bad_setting(req, &bad);
        gw_settings_clear(&d->settings);
        free(d);
        return;
    }
    d->function = NULL; /* found again, and held, when its turn comes */
    while (*last != NULL)
        last = &(*last)->next;
    *last = d;
    pump(gw);
}

void
gw_deploy_begin(struct gw_request *req)
{
    enum gw_deploy_kind kind;

    if (gw_deploy_kind(req->type, req->body != NULL ? req->body : "", req->len, &kind) == 0)
        begin(req, kind);
    else
        gw_request_problem(
            req, GW_UNSUPPORTED_TYPE, NULL,
            "want text/x-c or text/x-python (one file), application/x-tar, application/gzip or "
            "application/zip (a bundle), or application/x-sharedlib (an object)");
}

void
gw_saved_put(struct gw_request *req)
{
    if (req->version > 0)
        begin(req, GW_DEPLOY_SAVED);
    else
        gw_request_problem(req, GW_VERSION_NOT_FOUND, NULL, "versions are numbers from 1 on");
}

/* ---- 1: stage ---- */

static void
stage(uv_work_t *work)
{
    gw_deploy_stage(work->data);
}

static void
build(struct gw_deploy *d)
{
    struct launch_message msg = {.type = LAUNCH_BUILD};

    d->build = msg.id = ++d->gw->admin->next_build;
    (void)snprintf(msg.u.build.name, sizeof msg.u.build.name, "%s", d->name);
    msg.u.build.version = d->version;
    msg.u.build.libs = d->settings.libs_count;
    memcpy(msg.u.build.lib, d->settings.libs, sizeof msg.u.build.lib);
    if (launch_client_send(&d->gw->instances->launcher, &msg) < 0)
        fail(d, GW_INTERNAL, NULL, "the launcher cannot be reached");
    else
        gw_deploy_sync(d);
}

static void on_look_for_room(struct gw_timer *timer);

static void on_instance_ready(struct gw_checker *checker, struct gw_instance *inst);

static void
on_instance_failed(struct gw_checker *checker, struct gw_instance *inst, const char *why)
{
    struct gw_deploy *d = container_of(checker, struct gw_deploy, checker);
    cleanup_free char *output = gw_journal_tail(d->function, inst->id, OUTPUT_LINES);
    json_t *facts;

    d->instance = NULL;
    if (d->committing)
        return; /* its version is being kept: it did load and initialise */
    facts = json_pack("{s:s}", "output", output != NULL ? output : "");
    if (d->python) /* "FILE:LINE: error: TEXT" */
        (void)json_object_set_new(facts, "diagnostics", gw_diagnostics(why, false, false));
    fail(d, GW_VERSION_UNFIT, facts, why);
}

/* Lines of "MODULE NANOSECONDS BYTES", from a worker: the heaviest of them that make sense. */
static void
on_costs(struct gw_checker *checker, const char *text, size_t n)
{
    struct gw_deploy *d = container_of(checker, struct gw_deploy, checker);
    cleanup_free char *copy = strndup(text, n);
    char *rest = copy, *line, module[129];

    if (copy == NULL || n == 0 || !d->python)
        return;
    json_decref(d->imports);
    d->imports = json_array();
    while ((line = strsep(&rest, "\n")) != NULL && json_array_size(d->imports) < IMPORTS_MOST) {
        unsigned long long ns, us, bytes;

        if (sscanf(line, "%128s %18llu %18llu", module, &ns, &bytes) != 3)
            continue;
        us = ns / 1000;
        text_printable(module, false);
        (void)json_array_append_new(d->imports,
                                    json_pack("{s:s,s:f,s:I}", "module", module, "ms",
                                              (double)us / 1e3, "bytes", (json_int_t)bytes));
    }
}

/* In an instance that counts in the memory budget like any other. */
static void
check(struct gw_deploy *d)
{
    struct gw *gw = d->gw;
    int64_t memory = d->settings.numbers.memory;
    bool room = sch_hold(gw->functions->sch, memory, gw_now_ns());

    if (!room && gw_now_ms() < d->room_by_ms) {
        gw_timer_set(gw_main_loop(gw), &d->retry, ROOM_MS, on_look_for_room);
        return;
    }
    if (!room) {
        fail(d, GW_OVERLOADED, NULL, "there was no room in the memory budget to check the version");
        return;
    }
    d->checker = (struct gw_checker){
        .settings = &d->settings,
        .ready = on_instance_ready,
        .failed = on_instance_failed,
        .costs = on_costs,
    };
    d->instance = gw_instance_launch(d->gw, d->function, d->version, true, NULL, &d->checker);
    if (d->instance == NULL) {
        sch_release(gw->functions->sch, memory, gw_now_ns());
        fail(d, GW_INTERNAL, NULL, "the launcher cannot be reached");
        return;
    }
    d->instance->held_bytes = memory;
}

static void
on_look_for_room(struct gw_timer *timer)
{
    struct gw_deploy *d = container_of(timer, struct gw_deploy, retry);
    gw_locked struct gw *held = gw_lock(d->gw);

    check(d);
}

/* For all that is staged. Older versions count until they are removed. */
static bool
take_disk(struct gw_deploy *d)
{
    const struct gw_functions *functions = d->gw->functions;
    char text[256];

    if (d->disk_bytes < 0) {
        fail(d, GW_STORAGE_FAILED, NULL, "the size of the version could not be found");
        return false;
    }
    if (gw_disk_take(d->gw, d->disk_bytes)) {
        d->disk_held = d->disk_bytes;
        return true;
    }
    (void)snprintf(text, sizeof text,
                   "the version takes %lld bytes, and all versions of all functions have %lld of "
                   "%lld bytes already: delete functions, or raise disk_budget",
                   (long long)d->disk_bytes, (long long)functions->disk_used,
                   (long long)functions->disk_budget);
    fail(d, GW_STORAGE_FULL,
         json_pack("{s:I,s:I,s:I}", "limit", (json_int_t)functions->disk_budget, "used",
                   (json_int_t)functions->disk_used, "needed", (json_int_t)d->disk_bytes),
         text);
    return false;
}

static void
begin_check(struct gw_deploy *d)
{
    if (!take_disk(d))
        return;
    d->room_by_ms = gw_now_ms() + ROOM_WAIT_MS;
    check(d);
}

static void
fail_setting(struct gw_deploy *d, const struct gw_bad_setting *bad)
{
    char text[sizeof *bad + 64];

    (void)snprintf(text, sizeof text, "%s: allowed is %s; nothing was changed", bad->name,
                   bad->allowed);
    fail(d, GW_BAD_SETTING, bad_setting_facts(bad), text);
}

static void
on_staged(uv_work_t *work, int status)
{
    struct gw_deploy *d = work->data;
    struct gw_bad_setting bad = {"", ""};
    gw_locked struct gw *held = gw_lock(d->gw);

    (void)status;
    if (d->status < 0 && d->code == GW_BAD_SETTING) {
        fail_setting(d, &d->bad);
        return;
    }
    if (d->status < 0) {
        json_t *facts =
            json_array_size(d->refused) > 0 ? json_pack("{s:O}", "refused", d->refused) : NULL;

        fail(d, d->code, facts, d->err.text);
        return;
    }
    if (make_settings(d, &bad) < 0) {
        fail_setting(d, &bad);
        return;
    }
    if (d->kind == GW_DEPLOY_OBJECT || d->kind == GW_DEPLOY_SAVED)
        begin_check(d);
    else
        build(d);
}

static bool
name_is_running(struct gw *gw, const char *name)
{
    for (struct gw_deploy *d = gw->admin->deploys; d != NULL; d = d->next)
        if (d->running && strcmp(d->name, name) == 0)
            return true;
    return false;
}

/* Whose client has gone before their turn came: nobody waits for them. */
static void
drop_abandoned(struct gw *gw)
{
    for (struct gw_deploy **at = &gw->admin->deploys; *at != NULL;) {
        struct gw_deploy *d = *at;

        if (d->running || !d->req->gone) {
            at = &d->next;
            continue;
        }
        *at = d->next;
        gw_request_problem(d->req, GW_OVERLOADED, NULL, "the client has gone");
        gw_settings_clear(&d->settings);
        free(d);
    }
}

/* Of the new version. A deploy uses one up even if it fails; one that is put back has its own. */
static bool
take_number(struct gw_deploy *d)
{
    struct gw_function *f = d->function;

    if (d->kind == GW_DEPLOY_SAVED)
        d->version = d->req->version;
    else if (f->newest < UINT32_MAX - 1) /* a folder may have been made by hand */
        d->version = ++f->newest;
    if (d->version != 0 && gw_function_version(f, d->version) == NULL)
        return true;
    gw_request_problem(d->req, d->version != 0 ? GW_VERSION_EXISTS : GW_STORAGE_FULL, NULL,
                       d->version != 0 ? "%s has a version %u already"
                                       : "%s has used up all numbers of versions",
                       d->name, d->version);
    return false;
}

/* Begins the deploys whose turn it is: a few at a time, one per function. */
static void
pump(struct gw *gw)
{
    drop_abandoned(gw);
    for (struct gw_deploy *d = gw->admin->deploys;
         d != NULL && gw->admin->deploys_running < RUNNING_MAX; d = d->next) {
        struct gw_function *f;

        if (d->running || name_is_running(gw, d->name))
            continue;
        d->running = true;
        gw->admin->deploys_running++;
        f = gw_function_find(gw, d->name, strlen(d->name));
        if (f == NULL && HASH_COUNT(gw->functions->table) >= gw->functions->max_functions) {
            gw_request_problem(d->req, GW_STORAGE_FULL,
                               json_pack("{s:i}", "limit", (int)gw->functions->max_functions),
                               "there are %u functions already: delete one, or raise "
                               "max_functions",
                               (unsigned)gw->functions->max_functions);
            deploy_free(d);
            return;
        }
        if (f == NULL)
            f = gw_function_add(gw, d->name);
        if (f == NULL) {
            gw_request_problem(d->req, GW_INTERNAL, NULL, "no memory");
            deploy_free(d);
            return;
        }
        f->refs++;
        d->function = f;
        d->is_new = f->live == 0;
        d->kept_only = d->kind == GW_DEPLOY_SAVED && !d->is_new;
        if (!take_number(d)) {
            deploy_free(d);
            return;
        }
        (void)uv_queue_work(gw_main_loop(gw)->uv, &d->work, stage, on_staged);
    }
}

/* ---- 2: built ---- */

static void
collect(uv_work_t *work)
{
    struct gw_deploy *d = work->data;
    off_t size = lseek(d->said_fd, 0, SEEK_END);

    if (size > LIMIT_DIAGNOSTICS)
        size = LIMIT_DIAGNOSTICS;
    d->said = calloc(1, (size_t)(size > 0 ? size : 0) + 1);
    if (d->said != NULL && size > 0 && pread(d->said_fd, d->said, (size_t)size, 0) < 0)
        d->said[0] = '\0';
    store_keep_cache(d->name, d->cache_fd);
    if (d->code != GW_CODE_COUNT)
        return; /* it failed: only the text is wanted */
    d->object_bytes = lseek(d->object_fd, 0, SEEK_END);
    d->status = store_stage_object_from(d->name, d->version, d->object_fd, &d->err);
    d->disk_bytes = store_staged_bytes(d->name, d->version);
}

static void
add_reason(struct gw_deploy *d, const char *message)
{
    (void)json_array_insert_new(d->diagnostics, 0,
                                json_pack("{s:n,s:n,s:n,s:s,s:s}", "file", "line", "column",
                                          "severity", "error", "message", message));
}

static void
on_collected(uv_work_t *work, int status)
{
    struct gw_deploy *d = work->data;
    gw_locked struct gw *held = gw_lock(d->gw);

    (void)status;
    close_built(d);
    d->diagnostics = gw_diagnostics(d->said, d->code == GW_BUILD_FAILED, d->silent);
    if (d->code == GW_BUILD_FAILED) {
        if (d->err.text[0] != '\0')
            add_reason(d, d->err.text);
        else if (json_array_size(d->diagnostics) == 0)
            add_reason(d, "the compiler failed without a word");
        fail(d, GW_BUILD_FAILED,
             json_pack("{s:O,s:O}", "diagnostics", d->diagnostics, "ignored", d->ignored),
             d->err.text[0] != '\0' ? d->err.text : "the compiler refused the sources");
        return;
    }
    if (d->status < 0)
        fail(d, gw_storage_code(d->status), NULL, d->err.text);
    else
        begin_check(d);
}

void
gw_deploy_on_built(struct gw *gw, const struct launch_message *msg, int *fds, unsigned n)
{
    struct gw_deploy *d = gw->admin->deploys;

    while (d != NULL && (d->build != msg->id || !d->running))
        d = d->next;
    if (d == NULL || n != LAUNCH_BUILT_FDS) {
        while (n > 0)
            (void)close(fds[--n]);
        if (d != NULL)
            fail(d, GW_INTERNAL, NULL, msg->u.built.text);
        return;
    }
    d->object_fd = fds[0];
    d->said_fd = fds[1];
    d->cache_fd = fds[2];
    d->code = msg->u.built.result == LAUNCH_BUILD_OK ? GW_CODE_COUNT : GW_BUILD_FAILED;
    if (msg->u.built.result == LAUNCH_BUILD_TIME)
        (void)err_set(&d->err, 0, "the compiler took longer than it may (%lld ms)",
                      (long long)gw->admin->config.build_time_ms);
    else if (msg->u.built.result == LAUNCH_BUILD_MEMORY)
        (void)err_set(&d->err, 0, "the compiler needed more memory than it may (%lld bytes)",
                      (long long)gw->admin->config.build_memory);
    else if (msg->u.built.result == LAUNCH_BUILD_BROKEN) {
        fail(d, GW_INTERNAL, NULL, msg->u.built.text);
        return;
    }
    (void)uv_queue_work(gw_main_loop(gw)->uv, &d->work, collect, on_collected);
}

/* ---- 3: checked, then kept ---- */

static void
commit(uv_work_t *work)
{
    struct gw_deploy *d = work->data;

    d->status = store_commit(d->name, d->version, d->version_json, !d->kept_only, &d->err);
    for (unsigned i = 0; d->status == 0 && i < d->dropped_count; i++)
        (void)store_remove_version(d->name, d->dropped[i], NULL);
}

/* Which versions are beyond the last few: their files go with the commit of the new one, their
 * records once that has succeeded. One that is put back pushes none out. */
static void
choose_dropped(struct gw_deploy *d)
{
    const struct gw_function *f = d->function;
    int64_t kept = 1; /* the new one */

    d->dropped_count = 0;
    for (const struct gw_version *v = f->versions; v != NULL && !d->kept_only; v = v->next)
        if (++kept > d->gw->admin->config.keep_versions && v->number != f->live &&
            d->dropped_count < sizeof d->dropped / sizeof d->dropped[0])
            d->dropped[d->dropped_count++] = v->number;
}

static void
forget_dropped(struct gw_deploy *d)
{
    for (unsigned i = 0; i < d->dropped_count; i++)
        for (struct gw_version **at = &d->function->versions; *at != NULL; at = &(*at)->next)
            if ((*at)->number == d->dropped[i]) {
                struct gw_version *gone = *at;

                *at = gone->next;
                gw_version_gone(d->gw, d->function, gone);
                break;
            }
}

/* True where the instance that checked the version serves it too: where the function has calls to
 * serve, and no PATCH came in between that it cannot follow. Else it goes: it would cost. */
static bool
place_instance(struct gw_deploy *d)
{
    struct gw_function *f = d->function;
    struct gw_instance *inst = d->instance;
    bool wanted = !d->kept_only && (sch_function_live(&f->sch) > 0 || f->settings.numbers.min > 0 ||
                                    f->sch.waiting.count > 0);

    f->sch.settings = f->settings.numbers;
    d->instance = NULL;
    if (inst == NULL)
        return false; /* it died meanwhile */
    inst->checker = NULL;
    if (wanted && !d->outdated)
        inst->slot = sch_slot_adopt(d->gw->functions->sch, &f->sch, inst, f->sch.generation + 1,
                                    inst->held_bytes, gw_now_ns());
    inst->pooled = inst->slot != NULL;
    if (inst->pooled)
        inst->held_bytes = 0;
    else
        gw_instance_retire(inst, SCH_END_SURPLUS);
    return inst->slot != NULL;
}

static void
make_live(struct gw_deploy *d)
{
    struct gw_function *f = d->function;
    struct gw_settings was = f->settings;
    struct gw_instance *inst = d->instance; /* in this turn it stays, whatever becomes of it */

    f->live = d->version;
    f->settings = d->settings;
    d->settings = was;
    gw_function_apply(d->gw, f, !place_instance(d));
    gw_instances_follow_settings(f);
    (void)gw_network_follow(f);
    if (inst != NULL && inst->slot != NULL)
        gw_instance_follow_limit(inst); /* a PATCH came in between */
    gw_template_follow(f);
    gw_template_consider(d->gw, f);
    log_info("function %s: version %u is live", f->name, f->live);
    gw_event(f->name, "deployed", ",\"version\":%u", f->live);
}

static void
on_committed(uv_work_t *work, int status)
{
    struct gw_deploy *d = work->data;
    struct gw_function *f = d->function;
    struct gw_version *version = calloc(1, sizeof *version);
    gw_locked struct gw *held = gw_lock(d->gw);
    json_t *answer;

    (void)status;
    d->committing = false;
    if (d->status < 0 || version == NULL) {
        free(version);
        gw_turn_end(d->gw, f);
        fail(d, d->status < 0 ? gw_storage_code(d->status) : GW_INTERNAL, NULL,
             d->status < 0 ? d->err.text : "no memory");
        return;
    }
    *version = (struct gw_version){.number = d->version,
                                   .created_ms = d->created_ms,
                                   .object_bytes = d->object_bytes,
                                   .disk_bytes = d->disk_held};
    d->disk_held = 0;
    gw_version_add(f, version);
    forget_dropped(d);
    if (d->kept_only)
        (void)place_instance(d);
    else
        make_live(d);
    answer = gw_show_function(f);
    (void)json_object_set(answer, "diagnostics", d->diagnostics);
    (void)json_object_set(answer, "ignored", d->ignored);
    if (d->imports != NULL)
        (void)json_object_set(answer, "imports", d->imports);
    gw_request_json(d->req, d->is_new || d->kept_only ? 201 : 200, answer);
    d->req = NULL;
    gw_turn_end(d->gw, f);
    deploy_free(d);
}

static void
keep(struct gw_deploy *d)
{
    struct gw_bad_setting bad = {"", ""};
    struct gw_settings checked = {0};
    int status = gw_settings_copy(&checked, &d->settings);

    /* once more: a PATCH may have come in between */
    if (status == 0)
        status = make_settings(d, &bad);
    d->outdated = status == 0 && !gw_settings_same_instance(&checked, &d->settings);
    gw_settings_clear(&checked);
    if (status < 0) {
        gw_turn_end(d->gw, d->function);
        fail(d, GW_BAD_SETTING, bad_setting_facts(&bad),
             "another change made these settings wrong");
        return;
    }
    if (d->kind != GW_DEPLOY_SAVED)
        d->created_ms = clock_wall_ms();
    d->version_json = gw_manage_version_text(&(struct gw_version){.number = d->version,
                                                                  .created_ms = d->created_ms,
                                                                  .disk_bytes = d->disk_held},
                                             &d->settings);
    choose_dropped(d);
    d->committing = true;
    (void)uv_queue_work(gw_main_loop(d->gw)->uv, &d->work, commit, on_committed);
}

/* Its turn: a DELETE that began earlier has ended, and one that comes later waits. */
static void
on_turn(struct gw_turn *turn)
{
    struct gw_deploy *d = container_of(turn, struct gw_deploy, turn);

    if (d->function->removed) { /* or its files would come back with the next start */
        gw_turn_end(d->gw, d->function);
        fail(d, GW_FUNCTION_NOT_FOUND, NULL, "the function was deleted");
        return;
    }
    keep(d);
}

static void
on_instance_ready(struct gw_checker *checker, struct gw_instance *inst)
{
    struct gw_deploy *d = container_of(checker, struct gw_deploy, checker);

    d->instance = inst;
    if (d->diagnostics == NULL)
        d->diagnostics = json_array();
    d->turn.go = on_turn;
    (void)gw_turn_take(d->function, &d->turn, true); /* which refuses none that goes first */
}
