/* deploy.h: a new version, from the body of a PUT to the one that serves. */
#ifndef GATEWAY_DEPLOY_H
#define GATEWAY_DEPLOY_H

#include <jansson.h>

#include "calls/instance.h"
#include "codes.h"
#include "functions/function.h"
#include "functions/turns.h"
#include "gateway.h"

struct gw_request;

enum gw_deploy_kind { GW_DEPLOY_SOURCE, GW_DEPLOY_BUNDLE, GW_DEPLOY_OBJECT };

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
    char *bundle_json; /* function.json of the bundle, or NULL */
    unsigned sources;  /* files of the bundle that are compiled; names of some that are not: */
    char uncompiled[120];
    char *version_json;
    int64_t created_ms, object_bytes;
    uint64_t build;
    int object_fd, said_fd;
    char *said; /* by the compiler */
    json_t *diagnostics;
    struct gw_instance *instance; /* that checks the version */
    int64_t room_by_ms;           /* how long to wait for room in the memory budget */
    struct gw_timer retry;        /* looks for that room */
};

void gw_deploy_begin(struct gw_request *req);
void gw_deploy_on_built(struct gw *gw, const struct launch_message *msg, int *fds, unsigned n);

/* bundle.c: unpacks a tar, plain or gzipped. on_file gets each regular file; its
 * path is relative and clean. Runs in the thread pool. 0, or a negative errno with
 * a sentence for the one who sent it. */
typedef int (*gw_bundle_fn)(void *user, const char *path, const void *bytes, size_t len,
                            struct hearth_err *err);
int gw_bundle_read(const void *bytes, size_t len, gw_bundle_fn on_file, void *user,
                   struct hearth_err *err);

/* diagnostics.c: what gcc and ld said, as an array of objects. */
json_t *gw_diagnostics(const char *text, bool failed);

#endif
