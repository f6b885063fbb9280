/* stage.c: what came with a deploy, written below the staged version: sources, or an object; and
 * the plan by which the builder makes one of the other. In the thread pool. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "admin.h"
#include "build.h"
#include "build_rules.h"
#include "cleanup.h"
#include "deploy.h"
#include "store.h"
#include "text.h"

#define SETTINGS_NAME "function.json"
#define IGNORED_MOST  200 /* names in an answer */

/* ---- what it is ---- */

/* By the first bytes, for those who send anything as octets. */
static bool
looks_like_archive(const char *body, size_t len)
{
    return (len > 2 && memcmp(body, "\x1f\x8b", 2) == 0) ||
           (len > 4 && (memcmp(body, "PK\3\4", 4) == 0 || memcmp(body, "PK\5\6", 4) == 0)) ||
           (len > 262 && memcmp(body + 257, "ustar", 5) == 0);
}

static enum gw_deploy_kind
kind_by_content(const char *body, size_t len)
{
    if (len > 4 && memcmp(body, "\177ELF", 4) == 0)
        return GW_DEPLOY_OBJECT;
    if (!looks_like_archive(body, len) && memchr(body, '\0', len) == NULL)
        return GW_DEPLOY_SOURCE;
    return GW_DEPLOY_BUNDLE;
}

static bool
is_among(const char *type, const char *const *types)
{
    for (; *types != NULL; types++)
        if (strcasecmp(type, *types) == 0)
            return true;
    return false;
}

int
gw_deploy_kind(const char *type, const char *body, size_t len, enum gw_deploy_kind *kind)
{
    static const char *const c[] = {"text/x-c", "text/x-csrc", "text/x-chdr", NULL};
    static const char *const cxx[] = {"text/x-c++", "text/x-c++src", NULL};
    static const char *const python[] = {"text/x-python", "text/x-script.python",
                                         "application/x-python", "application/x-python-code", NULL};
    static const char *const archives[] = {"application/x-tar",
                                           "application/tar",
                                           "application/x-gtar",
                                           "application/x-ustar",
                                           "application/gzip",
                                           "application/x-gzip",
                                           "application/x-tgz",
                                           "application/x-gtar-compressed",
                                           "application/x-tar-gz",
                                           "application/x-compressed",
                                           "application/x-compressed-tar",
                                           "application/zip",
                                           "application/x-zip",
                                           "application/x-zip-compressed",
                                           NULL};
    /* said by clients that do not know; the last is what curl says of --data-binary */
    static const char *const any[] = {
        "",           "application/octet-stream",          "binary/octet-stream",
        "text/plain", "application/x-www-form-urlencoded", NULL};

    if (is_among(type, c))
        *kind = GW_DEPLOY_SOURCE;
    else if (is_among(type, cxx))
        *kind = GW_DEPLOY_CXX;
    else if (is_among(type, python))
        *kind = GW_DEPLOY_PYTHON;
    else if (is_among(type, archives))
        *kind = GW_DEPLOY_BUNDLE;
    else if (strcasecmp(type, "application/x-sharedlib") == 0)
        *kind = GW_DEPLOY_OBJECT;
    else if (is_among(type, any))
        *kind = kind_by_content(body, len);
    else
        return -EINVAL;
    return 0;
}

/* ---- files ---- */

/* The files of a bundle, by their names. */
struct files {
    struct gw_deploy *d;
    char **of;
    bool *compiled;
    unsigned count;
};

static void
files_free(struct files *files)
{
    for (unsigned i = 0; i < files->count; i++)
        free(files->of[i]);
    free(files->of);
    free(files->compiled);
}

static int
files_add(struct files *files, const char *path, struct hearth_err *err)
{
    if (files->of == NULL) {
        files->of = calloc(LIMIT_BUNDLE_FILES, sizeof files->of[0]);
        files->compiled = calloc(LIMIT_BUNDLE_FILES, sizeof files->compiled[0]);
    }
    for (unsigned i = files->count; i > 0; i--)
        if (strcmp(files->of[i - 1], path) == 0)
            return 0; /* an archive may hold a file twice: the later one counts */
    if (files->of == NULL || files->compiled == NULL || files->count == LIMIT_BUNDLE_FILES)
        return err_set(err, ENOMEM, "remember the files of the bundle");
    files->of[files->count] = strdup(path);
    if (files->of[files->count] == NULL)
        return err_set(err, ENOMEM, "remember the files of the bundle");
    files->count++;
    return 0;
}

static int
take_settings(struct gw_deploy *d, const char *bytes, size_t len, struct hearth_err *err)
{
    if (len > LIMIT_JSON_BODY || (len > 0 && memchr(bytes, '\0', len) != NULL))
        return err_set(err, EINVAL, SETTINGS_NAME " is no text of at most %d bytes",
                       LIMIT_JSON_BODY);
    free(d->bundle_json);
    d->bundle_json = strndup(len > 0 ? bytes : "", len);
    return d->bundle_json != NULL ? 0 : err_set(err, ENOMEM, "read " SETTINGS_NAME);
}

static int
stage_file(void *user, const char *path, const void *bytes, size_t len, struct hearth_err *err)
{
    struct files *files = user;
    struct gw_deploy *d = files->d;
    int status;

    if (strcmp(path, SETTINGS_NAME) == 0)
        return take_settings(d, bytes, len, err);
    status = files_add(files, path, err);
    return status == 0 ? store_stage_source(d->name, d->version, path, bytes, len, err) : status;
}

/* ---- the language ---- */

/* Of what function.json says; "-": the handler of one file, by the names that are usual. */
struct language {
    bool python;
    char handler[BUILD_HANDLER_BYTES + 1];
};

static int
read_language(struct gw_deploy *d, const json_t *all, struct language *language)
{
    json_t *said = json_object_get(all, "language"), *handler = json_object_get(all, "handler");
    const char *name = json_string_value(said), *path = json_string_value(handler);
    int status = 0;

    *language = (struct language){.python = d->kind == GW_DEPLOY_PYTHON, .handler = "-"};
    if (name != NULL && strcmp(name, "python") == 0)
        language->python = true;
    else if (said != NULL && (name == NULL || strcmp(name, "c") != 0))
        status = gw_settings_blame(&d->bad, "language", "\"c\" or \"python\"");
    if (status == 0 && !language->python && handler != NULL)
        status = gw_settings_blame(&d->bad, "handler", "none in C: it is hearth_handle");
    if (status == 0 && language->python && json_object_get(all, "build") != NULL)
        status = gw_settings_blame(&d->bad, "build", "none in Python: nothing is linked");
    if (status == 0 && language->python && d->kind == GW_DEPLOY_BUNDLE) {
        if (path == NULL || strlen(path) != json_string_length(handler) || !build_handler_ok(path))
            status = gw_settings_blame(&d->bad, "handler",
                                       "a module of the bundle and a name in it, such as "
                                       "\"app.handle\", together at most 200 letters");
        else
            (void)snprintf(language->handler, sizeof language->handler, "%s", path);
    }
    d->python = language->python;
    return status;
}

/* ---- the plan ---- */

/* Options of the build: the bundle's, then the query's. */
static int
read_options(struct gw_deploy *d, const json_t *all, json_t *build)
{
    json_t *said = json_object_get(all, "build");
    int status = said != NULL ? gw_build_from_json(build, said, &d->bad) : 0;

    return status == 0 ? gw_build_from_query(build, d->req->query, &d->bad) : status;
}

/* The first few names of what is not compiled, for one who wonders. */
static void
name_some(const struct files *files, char *text, size_t n)
{
    size_t used = 0;

    text[0] = '\0';
    for (unsigned i = 0; i < files->count && used + strlen(files->of[i]) + 3 < n; i++) {
        (void)snprintf(text + used, n - used, "%s%s", i > 0 ? ", " : "", files->of[i]);
        used += strlen(text + used);
    }
    text_printable(text, false);
}

static void
note_ignored(const struct files *files)
{
    json_t *list = files->d->ignored;

    for (unsigned i = 0; i < files->count && !files->d->python; i++)
        if (!files->compiled[i] && !build_is_header(files->of[i]) &&
            json_array_size(list) < IGNORED_MOST)
            (void)json_array_append_new(list, json_string(files->of[i]));
}

/* What is neither compiled nor a header may be data: the instances see it as /function. Of Python
 * all is there: modules find their data beside themselves. */
static int
keep_files(struct gw_deploy *d, const struct files *files)
{
    int status = 0;

    for (unsigned i = 0; i < files->count && status == 0; i++)
        if (d->python || (!files->compiled[i] && !build_is_header(files->of[i])))
            status = store_stage_file(d->name, d->version, files->of[i], &d->err);
    return status;
}

static char *
plan_text(struct gw_deploy *d, struct files *files)
{
    json_t *all =
        d->bundle_json != NULL ? json_loads(d->bundle_json, JSON_REJECT_DUPLICATES, NULL) : NULL;
    json_t *build = json_object();
    struct language language;
    char *text = NULL;

    d->status = read_language(d, all, &language);
    if (d->status == 0 && language.python) {
        text = gw_build_plan_python(language.handler);
    } else if (d->status == 0) {
        d->status = read_options(d, all, build);
        if (d->status == 0)
            text = gw_build_plan(build, files->of, files->count, files->compiled, &d->bad);
        d->silent = gw_build_is_silent(build);
    }
    json_decref(build);
    json_decref(all);
    return text;
}

static void
write_plan(struct gw_deploy *d, struct files *files)
{
    cleanup_free char *text = plan_text(d, files);

    if (d->bad.name[0] != '\0') {
        d->code = GW_BAD_SETTING;
        d->status = -EINVAL;
    } else if (d->status == 0 && text == NULL) {
        char names[96];

        name_some(files, names, sizeof names);
        d->code = GW_BAD_BUNDLE;
        d->status =
            err_set(&d->err, 0, "the bundle has no source (.c, .S, .cpp, .cc, .cxx); it has: %s",
                    names[0] != '\0' ? names : "nothing");
    } else if (d->status == 0) {
        note_ignored(files);
        d->status = store_stage_plan(d->name, d->version, text, &d->err);
        if (d->status == 0)
            d->status = keep_files(d, files);
    }
}

/* ---- the step ---- */

static void
stage_bundle(struct gw_deploy *d)
{
    struct files files = {.d = d};
    struct gw_bundle bundle = {
        .on_file = stage_file, .user = &files, .ignored = d->ignored, .refused = d->refused};

    d->status = gw_bundle_read(d->req->body, d->req->len, &bundle, &d->err);
    if (gw_bundle_is_to_blame(d->status))
        d->code = GW_BAD_BUNDLE;
    if (d->status == 0)
        write_plan(d, &files);
    files_free(&files);
}

static void
stage_source(struct gw_deploy *d, const char *name)
{
    struct files files = {.d = d};

    d->status = files_add(&files, name, &d->err);
    if (d->status == 0)
        d->status =
            store_stage_source(d->name, d->version, name, d->req->body, d->req->len, &d->err);
    if (d->status == 0)
        write_plan(d, &files);
    files_free(&files);
}

static void
stage_body(struct gw_deploy *d)
{
    const struct gw_request *req = d->req;

    switch (d->kind) {
    case GW_DEPLOY_SOURCE:
        stage_source(d, "function.c");
        break;
    case GW_DEPLOY_CXX:
        stage_source(d, "function.cc");
        break;
    case GW_DEPLOY_PYTHON:
        stage_source(d, "function.py");
        break;
    case GW_DEPLOY_OBJECT:
        d->status = store_stage_object(d->name, d->version, req->body, req->len, &d->err);
        d->object_bytes = (int64_t)req->len;
        d->disk_bytes = store_staged_bytes(d->name, d->version); /* others: once they are built */
        break;
    case GW_DEPLOY_BUNDLE:
        stage_bundle(d);
        break;
    case GW_DEPLOY_SAVED:
        d->status = gw_saved_stage(d);
        break;
    }
}

void
gw_deploy_stage(struct gw_deploy *d)
{
    d->code = GW_STORAGE_FAILED;
    d->ignored = json_array();
    d->refused = json_array();
    d->status = d->is_new && (d->version == 1 || d->kind == GW_DEPLOY_SAVED)
                    ? store_set_aside(d->name, &d->err)
                    : 0;
    if (d->status == 0)
        d->status = store_stage(d->name, d->version, &d->err);
    if (d->status == 0)
        stage_body(d);
    if (d->status < 0 && d->code == GW_STORAGE_FAILED)
        d->code = gw_storage_code(d->status);
}

/* ---- beside the build ---- */

/* Of its own, as it may end after its deploy. */
struct syncing {
    uv_work_t work;
    char name[LIMIT_NAME + 1];
    uint32_t version;
};

static void
sync_sources(uv_work_t *work)
{
    const struct syncing *job = work->data;

    store_sync_sources(job->name, job->version);
}

static void
on_synced(uv_work_t *work, int status)
{
    (void)status;
    free(work->data);
}

/* While the compiler runs, the disk would have nothing to do. */
void
gw_deploy_sync(const struct gw_deploy *d)
{
    struct syncing *job = calloc(1, sizeof *job);

    if (job == NULL)
        return; /* then it is done at the end */
    job->work.data = job;
    job->version = d->version;
    memcpy(job->name, d->name, sizeof job->name);
    (void)uv_queue_work(gw_main_loop(d->gw)->uv, &job->work, sync_sources, on_synced);
}
