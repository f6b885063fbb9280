/* saved.c: a version as one file, a gzipped tar, to be put into another daemon.
 *
 * - version.json: {"format": 1, "version", "created", "settings", "files"}; files: the names below
 *   source/ that instances see
 * - function.so: the object
 * - build: the plan by which it was built; a deployed object has none
 * - source/: what was deployed
 */
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <utlist.h>

#include "admin.h"
#include "build_rules.h"
#include "cleanup.h"
#include "deploy.h"
#include "files.h"
#include "state_paths.h"
#include "store.h"
#include "text.h"

#define FORMAT  1
#define VERSION "version.json"
#define SOURCE  STATE_SOURCE "/"

#define WAITING_MOST 64
#define CREATED_MOST INT64_C(253402300799999) /* ms; the end of the year 9999 */
#define OTHER_FILES  3                        /* in a version than its sources */

/* ---- packing ---- */

struct saving {
    struct saving *next;
    uv_work_t work;
    struct gw_request *req;
    char name[LIMIT_NAME + 1];
    uint32_t version;
    char *bytes;
    size_t len;
    int status;
};

static struct saving *waiting; /* on the main loop */
static bool running;

struct packer {
    struct archive *archive;
    FILE *out;
};

static la_ssize_t
on_packed(struct archive *archive, void *user, const void *bytes, size_t n)
{
    (void)archive;
    return fwrite(bytes, 1, n, user) == n ? (la_ssize_t)n : -1;
}

static int
pack_bytes(struct packer *packer, const char *path, const void *bytes, size_t len)
{
    struct archive_entry *head = archive_entry_new();
    int status = head != NULL ? 0 : -ENOMEM;

    if (status == 0) {
        archive_entry_set_pathname(head, path);
        archive_entry_set_filetype(head, AE_IFREG);
        archive_entry_set_perm(head, 0644);
        archive_entry_set_size(head, (la_int64_t)len);
        if (archive_write_header(packer->archive, head) < ARCHIVE_WARN ||
            archive_write_data(packer->archive, bytes, len) != (la_ssize_t)len)
            status = -ENOMEM;
    }
    archive_entry_free(head);
    return status;
}

static int
pack_file(struct packer *packer, int dir, const char *name, const char *path)
{
    struct stat st;
    cleanup_free char *bytes = NULL;
    size_t len;

    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return -errno;
    bytes = files_read_all(dir, name, (size_t)st.st_size, &len);
    return bytes != NULL ? pack_bytes(packer, path, bytes, len) : -errno;
}

/* Packs what is below dir; or only names it, where files is not NULL. */
static int
walk(struct packer *packer, int dir, const char *prefix, json_t *files)
{
    cleanup_dir DIR *entries = files_list(dir);
    int status = entries != NULL ? 0 : -errno;
    struct dirent *e;

    while (entries != NULL && status == 0 && (e = readdir(entries)) != NULL) {
        char path[BUILD_PATH_BYTES + sizeof SOURCE + NAME_MAX];
        struct stat st;

        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        (void)snprintf(path, sizeof path, "%s%s", prefix, e->d_name);
        if (fstatat(dir, e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
            return -errno;
        if (S_ISDIR(st.st_mode)) {
            cleanup_close int below = files_open_dir(dir, e->d_name);

            (void)snprintf(path, sizeof path, "%s%s/", prefix, e->d_name);
            status = below >= 0 ? walk(packer, below, path, files) : -errno;
        } else if (files != NULL) {
            (void)json_array_append_new(files, json_string(path));
        } else {
            status = pack_file(packer, dir, e->d_name, path);
        }
    }
    return status;
}

static int
pack_description(struct packer *packer, int dir)
{
    cleanup_free char *text = files_read(dir, "function.json", LIMIT_JSON_BODY);
    cleanup_close int files = files_open_dir(dir, STATE_FILES);
    json_t *json = text != NULL ? json_loads(text, 0, NULL) : NULL, *list = json_array();
    cleanup_free char *described = NULL;
    int status = json_is_object(json) ? 0 : -EIO;

    if (status == 0 && files >= 0)
        status = walk(packer, files, "", list);
    if (status == 0) {
        (void)json_object_del(json, "disk");
        (void)json_object_set_new(json, "format", json_integer(FORMAT));
        (void)json_object_set(json, "files", list);
        described = json_dumps(json, JSON_INDENT(2));
        status =
            described != NULL ? pack_bytes(packer, VERSION, described, strlen(described)) : -ENOMEM;
    }
    json_decref(list);
    json_decref(json);
    return status;
}

static int
pack_version(struct packer *packer, int dir)
{
    cleanup_close int source = files_open_dir(dir, STATE_SOURCE);
    int status = pack_description(packer, dir);

    if (status == 0)
        status = pack_file(packer, dir, STATE_OBJECT, STATE_OBJECT);
    if (status == 0 && faccessat(dir, STATE_BUILD, F_OK, 0) == 0)
        status = pack_file(packer, dir, STATE_BUILD, STATE_BUILD);
    return status == 0 && source >= 0 ? walk(packer, source, SOURCE, NULL) : status;
}

static void
save(uv_work_t *work)
{
    struct saving *s = work->data;
    struct gw_bundle_letters letters = gw_bundle_letters_begin();
    cleanup_close int dir = store_version_folder(s->name, s->version);
    struct packer packer = {.archive = archive_write_new(),
                            .out = open_memstream(&s->bytes, &s->len)};

    s->status = dir >= 0 ? 0 : -errno;
    if (packer.archive == NULL || packer.out == NULL)
        s->status = -ENOMEM;
    if (s->status == 0) {
        (void)archive_write_set_format_pax_restricted(packer.archive);
        (void)archive_write_add_filter_gzip(packer.archive);
        (void)archive_write_set_bytes_in_last_block(packer.archive, 1);
        (void)archive_write_open(packer.archive, packer.out, NULL, on_packed, NULL);
        s->status = pack_version(&packer, dir);
        if (archive_write_close(packer.archive) != ARCHIVE_OK && s->status == 0)
            s->status = -ENOMEM;
    }
    if (packer.archive != NULL)
        (void)archive_write_free(packer.archive);
    if (packer.out != NULL && fclose(packer.out) != 0 && s->status == 0)
        s->status = -ENOMEM;
    gw_bundle_letters_end(&letters);
}

static void pump(struct gw *gw);

static void
on_saved(uv_work_t *work, int status)
{
    struct saving *s = work->data;
    struct gw *gw = s->req->gw;
    gw_locked struct gw *held = gw_lock(gw);

    (void)status;
    if (s->status == -ENOENT) {
        free(s->bytes);
        gw_request_problem(s->req, GW_VERSION_NOT_FOUND, NULL, "version %u was removed meanwhile",
                           s->version);
    } else if (s->status < 0) {
        free(s->bytes);
        gw_request_problem(s->req, GW_INTERNAL, NULL, "version %u could not be read: %s",
                           s->version, strerror(-s->status));
    } else {
        gw_request_text(s->req, 200, "application/gzip", s->bytes, s->len);
    }
    running = false;
    free(s);
    pump(gw);
}

/* One at a time: each has the whole version in memory, and a thread of the pool. */
static void
pump(struct gw *gw)
{
    struct saving *s = waiting;

    if (running || s == NULL)
        return;
    LL_DELETE(waiting, s);
    running = true;
    (void)uv_queue_work(gw_main_loop(gw)->uv, &s->work, save, on_saved);
}

void
gw_saved_get(struct gw_request *req)
{
    struct gw_function *f = gw_request_function(req);
    struct saving *s;
    int count;

    if (f == NULL)
        return;
    LL_COUNT(waiting, s, count);
    if (count >= WAITING_MOST) {
        gw_request_problem(req, GW_OVERLOADED, NULL, "%d versions wait to be packed already",
                           count);
        return;
    }
    if (gw_function_version(f, req->version) == NULL) {
        gw_request_problem(req, GW_VERSION_NOT_FOUND, NULL,
                           "%s has no such version: see GET …/versions", f->name);
        return;
    }
    s = calloc(1, sizeof *s);
    if (s == NULL) {
        gw_request_problem(req, GW_INTERNAL, NULL, "no memory");
        return;
    }
    s->req = req;
    s->version = req->version;
    memcpy(s->name, f->name, sizeof s->name);
    s->work.data = s;
    LL_APPEND(waiting, s);
    pump(req->gw);
}

/* ---- unpacking ---- */

struct unpacker {
    struct gw_deploy *d;
    char *description;
    bool has_object;
};

static int
unpack_file(void *user, const char *path, const void *bytes, size_t len, struct hearth_err *err)
{
    struct unpacker *u = user;
    struct gw_deploy *d = u->d;
    bool is_text = memchr(len > 0 ? bytes : "", '\0', len) == NULL;

    if (starts_with(path, SOURCE))
        return store_stage_source(d->name, d->version, path + strlen(SOURCE), bytes, len, err);
    if (strcmp(path, STATE_OBJECT) == 0 && len > 0 && len <= LIMIT_OBJECT) {
        u->has_object = true;
        d->object_bytes = (int64_t)len;
        return store_stage_object(d->name, d->version, bytes, len, err);
    }
    if (strcmp(path, VERSION) == 0 && is_text && len <= LIMIT_SAVED_JSON) {
        free(u->description);
        u->description = strndup(len > 0 ? bytes : "", len);
        return u->description != NULL ? 0 : err_set(err, ENOMEM, "read " VERSION);
    }
    if (strcmp(path, STATE_BUILD) == 0 && is_text && len <= BUILD_PLAN_BYTES) {
        cleanup_free char *text = strndup(len > 0 ? bytes : "", len);

        return text != NULL ? store_stage_plan(d->name, d->version, text, err)
                            : err_set(err, ENOMEM, "read " STATE_BUILD);
    }
    return err_set(err, EINVAL, "%s is no part of a version, or too large", path);
}

static int
stage_files(struct gw_deploy *d, const json_t *files)
{
    const json_t *file;
    size_t i;
    int status = 0;

    if (!json_is_array(files))
        return err_set(&d->err, EINVAL, VERSION ": \"files\" is no list");
    json_array_foreach (files, i, file) {
        const char *path = json_string_value(file);

        if (path == NULL || strlen(path) != json_string_length(file) ||
            build_path_refusal(path) != NULL)
            return err_set(&d->err, EINVAL, VERSION ": a name in \"files\" is no path");
        status = store_stage_file(d->name, d->version, path, &d->err);
        if (status < 0)
            break;
    }
    return status;
}

static int
take_description(struct gw_deploy *d, const char *text)
{
    json_t *json = text != NULL ? json_loads(text, JSON_REJECT_DUPLICATES, NULL) : NULL;
    json_int_t format = json_integer_value(json_object_get(json, "format"));
    const json_t *created = json_object_get(json, "created");
    int status = 0;

    if (!json_is_object(json) || format < 1)
        status = err_set(&d->err, EINVAL, "there is no " VERSION " of a saved version");
    else if (format > FORMAT)
        status = err_set(&d->err, EINVAL,
                         "a later Hearth saved it, in format %lld; this one reads up to %d",
                         (long long)format, FORMAT);
    else if (!json_is_integer(created) || json_integer_value(created) < 0 ||
             json_integer_value(created) > CREATED_MOST)
        status = err_set(&d->err, EINVAL, VERSION ": \"created\" is no time");
    if (status == 0) {
        d->created_ms = json_integer_value(created);
        free(d->bundle_json);
        d->bundle_json = json_dumps(json_object_get(json, "settings"), JSON_COMPACT);
        if (d->bundle_json == NULL)
            status = err_set(&d->err, EINVAL, VERSION " has no settings");
    }
    if (status == 0)
        status = stage_files(d, json_object_get(json, "files"));
    json_decref(json);
    return status;
}

int
gw_saved_stage(struct gw_deploy *d)
{
    struct unpacker u = {.d = d};
    struct gw_bundle bundle = {.on_file = unpack_file,
                               .user = &u,
                               .prefix = SOURCE,
                               .most = LIMIT_SAVED_BODY,
                               .more = OTHER_FILES,
                               .ignored = d->ignored,
                               .refused = d->refused};
    cleanup_close int there = store_version_folder(d->name, d->version);
    int status;

    if (there >= 0) {
        d->code = GW_VERSION_EXISTS;
        return err_set(&d->err, EEXIST,
                       "the state folder has a version %u of %s, which could not be "
                       "read at the start",
                       d->version, d->name);
    }
    status = gw_bundle_read(d->req->body, d->req->len, &bundle, &d->err);
    if (status == 0)
        status = take_description(d, u.description);
    if (status == 0 && !u.has_object)
        status = err_set(&d->err, EINVAL, "there is no " STATE_OBJECT);
    free(u.description);
    if (status == 0)
        d->disk_bytes = store_staged_bytes(d->name, d->version);
    else if (gw_bundle_is_to_blame(status))
        d->code = GW_BAD_BUNDLE;
    return status;
}
