/* deploy.h: a new version, from the body of a PUT until it is live. */
#ifndef GATEWAY_DEPLOY_H
#define GATEWAY_DEPLOY_H

#include <jansson.h>
#include <locale.h>

#include "codes.h"
#include "function.h"
#include "instance.h"
#include "loop.h"
#include "settings_json.h"
#include "turns.h"

struct gw_request;

enum gw_deploy_kind {
    GW_DEPLOY_SOURCE,
    GW_DEPLOY_CXX,
    GW_DEPLOY_PYTHON,
    GW_DEPLOY_BUNDLE,
    GW_DEPLOY_OBJECT,
    GW_DEPLOY_SAVED /* a version of another daemon: see saved.c */
};

struct gw_deploy {
    struct gw_deploy *next;
    struct gw *gw;
    struct gw_request *req;
    struct gw_checker checker; /* its instance is told by this */
    struct gw_turn turn;       /* to make its version the live one */
    char name[LIMIT_NAME + 1];
    enum gw_deploy_kind kind;
    bool outdated; /* its instance was born under settings that a PATCH has changed since */
    bool running, is_new;
    bool kept_only;       /* it is put beside the live version, which stays */
    bool committing;      /* the thread pool is making the version live */
    uint32_t dropped[32]; /* older versions that go with it */
    unsigned dropped_count;
    struct gw_function *function;
    uint32_t version;
    struct gw_settings settings;
    /* the work of the moment, in the thread pool */
    uv_work_t work;
    int status;
    enum gw_code code; /* of a failure */
    struct hearth_err err;
    char *bundle_json;         /* function.json of the bundle, or NULL */
    bool python;               /* the language of the sources, else C */
    json_t *imports;           /* what its modules cost, or NULL */
    json_t *ignored;           /* names of files of the bundle that are not compiled */
    json_t *refused;           /* those that it may not have, with the reason */
    bool silent;               /* warnings are not wanted */
    struct gw_bad_setting bad; /* of its build options: with code GW_BAD_SETTING */
    char *version_json;
    int64_t created_ms, object_bytes;
    int64_t disk_bytes; /* of all that is staged */
    int64_t disk_held;  /* reserved of the budget */
    uint64_t build;
    int object_fd, said_fd, cache_fd;
    char *said; /* by the compiler */
    json_t *diagnostics;
    struct gw_instance *instance; /* that checks the version */
    int64_t room_by_ms;           /* how long to wait for room in the memory budget */
    struct gw_timer retry;        /* looks for that room */
};

void gw_deploy_begin(struct gw_request *req);
void gw_saved_put(struct gw_request *req);
void gw_deploy_on_built(struct gw *gw, const struct launch_message *msg, int *fds, unsigned n);

/* stage.c: the first step, in the thread pool: writes what came below the staged version, with
 * the plan of its build. Fills status, code, err, bad, ignored and refused. */
void gw_deploy_stage(struct gw_deploy *d);
/* On the main loop: begins to write the sources to the disk. */
void gw_deploy_sync(const struct gw_deploy *d);
/* What a body is, by its type and its first bytes. 0, or -EINVAL: nothing that is taken. */
int gw_deploy_kind(const char *type, const char *body, size_t len, enum gw_deploy_kind *kind);

/* saved.c: the same of a saved version, which is built already. Fills created_ms too. */
int gw_saved_stage(struct gw_deploy *d);

/* bundle.c: unpacks a tar, plain or gzipped, or a zip. on_file gets each regular file; its
 * path is relative and clean, and without the one folder that was around everything. Runs in
 * the thread pool. 0, or a negative errno with a sentence for the one who sent it. */
struct gw_bundle {
    int (*on_file)(void *user, const char *path, const void *bytes, size_t len,
                   struct hearth_err *err);
    void *user;
    const char *prefix; /* what follows it has the bounds of a path; NULL: all of it */
    size_t most;        /* bytes, unpacked; 0: LIMIT_BUNDLE_BYTES */
    unsigned more;      /* files and folders than a bundle may have */
    json_t *ignored;    /* gets names that were left out */
    json_t *refused;    /* gets all that is wrong: {"file", "reason"} */
};

/* Whether a step that failed with that errno did so for what is in the bundle. */
bool gw_bundle_is_to_blame(int status);

/* Names of files are UTF-8, whatever the locale: of this thread, between the two. */
struct gw_bundle_letters {
    locale_t utf8, before;
};
struct gw_bundle_letters gw_bundle_letters_begin(void);
void gw_bundle_letters_end(struct gw_bundle_letters *letters);

int gw_bundle_read(const void *bytes, size_t len, struct gw_bundle *bundle, struct hearth_err *err);

/* diagnostics.c: what gcc and ld said, as an array of objects: errors first. silent: without
 * warnings. */
json_t *gw_diagnostics(const char *text, bool failed, bool silent);

#endif
