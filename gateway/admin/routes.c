/* routes.c: see routes.h. */
#include "routes.h"

#include <stdio.h>
#include <string.h>

#include "admin.h"
#include "codes.h"
#include "deploy.h"
#include "limits.h"

#define C(code) (UINT64_C(1) << GW_##code)
#define SOURCES                                                                                    \
    "text/x-c -, text/x-python -, application/x-tar -, application/gzip -, application/zip -, "    \
    "application/x-sharedlib -"

const struct gw_route gw_routes[] = {
    {"/", "GET", GW_OPEN, gw_show_root, 0, "dashboard", "daemon", "The dashboard.",
     GW_NO_PARAMETERS, NULL, "200 text/html -", 0},
    {"/", "OPTIONS", GW_OPEN, gw_show_options, 0, NULL, NULL, NULL, GW_NO_PARAMETERS, NULL, NULL,
     0},
    {"/dashboard.css", "GET", GW_OPEN, gw_dashboard_style, 0, NULL, NULL, NULL, GW_NO_PARAMETERS,
     NULL, NULL, 0},
    {"/dashboard.js", "GET", GW_OPEN, gw_dashboard_script, 0, NULL, NULL, NULL, GW_NO_PARAMETERS,
     NULL, NULL, 0},
    {"/healthz", "GET", GW_OPEN, gw_probe_health, 0, "health", "daemon", "Whether it is alive.",
     GW_NO_PARAMETERS, NULL, "200 text/plain -", 0},
    {"/readyz", "GET", GW_OPEN, gw_probe_ready, 0, "ready", "daemon",
     "Whether it takes calls: 503 while it starts and while it stops.", GW_NO_PARAMETERS, NULL,
     "200 text/plain -, 503 text/plain -", 0},
    {"/metrics", "GET", GW_OPEN_ON_ADMIN, gw_show_metrics, 0, "metrics", "daemon",
     "Metrics in Prometheus' text format. No token is needed on a listener of its own.",
     GW_NO_PARAMETERS, NULL, "200 text/plain -", 0},
    {"/v1/openapi.json", "GET", GW_TOKEN, gw_openapi_get, 0, "openapi", "daemon",
     "This description.", GW_NO_PARAMETERS, NULL, "200 application/json -", 0},
    {"/v1/host", "GET", GW_TOKEN, gw_host_get, 0, "host", "daemon", "The daemon and its host.",
     GW_NO_PARAMETERS, NULL, "200 application/json Host", 0},
    {"/v1/events", "GET", GW_TOKEN, gw_events_get, 0, "events", "daemon",
     "What the platform did and why, a JSON object per line.", GW_EVENT_PARAMETERS, NULL,
     "200 application/x-ndjson Event", C(BAD_SETTING) | C(OVERLOADED)},
    {"/v1/functions", "GET", GW_TOKEN, gw_manage_list, 0, "list", "functions",
     "All functions, by name.", GW_NO_PARAMETERS, NULL, "200 application/json Functions", 0},
    {"/v1/functions/*", "GET", GW_TOKEN, gw_manage_get, 0, "describe", "functions", "One function.",
     GW_NO_PARAMETERS, NULL, "200 application/json Function", C(FUNCTION_NOT_FOUND)},
    {"/v1/functions/*", "PUT", GW_TOKEN, gw_deploy_begin, LIMIT_DEPLOY_BODY, "deploy", "functions",
     "Builds the body, and makes it live once an instance of it has started. A setting that is not "
     "named stays as it is.",
     GW_DEPLOY_PARAMETERS, SOURCES, "200 application/json Function, 201 application/json Function",
     C(BAD_SETTING) | C(BAD_BUNDLE) | C(UNSUPPORTED_TYPE) | C(BUILD_FAILED) | C(VERSION_UNFIT) |
         C(OVERLOADED) | C(STORAGE_FULL)},
    {"/v1/functions/*", "PATCH", GW_TOKEN, gw_manage_patch, LIMIT_JSON_BODY, "change", "functions",
     "Changes settings (RFC 7396) while the function runs; `applied` says what of it is in effect.",
     GW_NO_PARAMETERS, "application/json Settings", "200 application/json Function",
     C(FUNCTION_NOT_FOUND) | C(BAD_JSON) | C(BAD_SETTING) | C(STORAGE_FULL)},
    {"/v1/functions/*", "DELETE", GW_TOKEN, gw_manage_delete, LIMIT_JSON_BODY, "delete",
     "functions", "Deletes it; running calls finish.", GW_NO_PARAMETERS, NULL, "204",
     C(FUNCTION_NOT_FOUND)},
    {"/v1/functions/*/versions", "GET", GW_TOKEN, gw_manage_versions, 0, "versions", "functions",
     "The versions that are kept, the newest first.", GW_NO_PARAMETERS, NULL,
     "200 application/json Versions", C(FUNCTION_NOT_FOUND)},
    {"/v1/functions/*/versions/*", "GET", GW_TOKEN, gw_saved_get, 0, "save", "functions",
     "A version with its sources, its object and its settings, for another daemon.",
     GW_NO_PARAMETERS, NULL, "200 application/gzip -",
     C(FUNCTION_NOT_FOUND) | C(VERSION_NOT_FOUND) | C(OVERLOADED)},
    {"/v1/functions/*/versions/*", "PUT", GW_TOKEN, gw_saved_put, LIMIT_SAVED_BODY, "restore",
     "functions",
     "Puts a version where it was not, as GET gave it, once an instance of it has started. The "
     "first one of a function goes live, others are kept beside it.",
     GW_NO_PARAMETERS, "application/gzip -", "201 application/json Function",
     C(BAD_SETTING) | C(BAD_BUNDLE) | C(VERSION_NOT_FOUND) | C(VERSION_EXISTS) | C(VERSION_UNFIT) |
         C(OVERLOADED) | C(STORAGE_FULL)},
    {"/v1/functions/*/rollback", "POST", GW_TOKEN, gw_manage_rollback, LIMIT_JSON_BODY, "rollback",
     "functions", "Makes a kept version live, without a build.", GW_NO_PARAMETERS,
     "application/json Rollback", "200 application/json Function",
     C(FUNCTION_NOT_FOUND) | C(BAD_JSON) | C(VERSION_NOT_FOUND) | C(STORAGE_FULL)},
    {"/v1/functions/*/instances", "GET", GW_TOKEN, gw_manage_instances, 0, "instances", "functions",
     "Its instances.", GW_NO_PARAMETERS, NULL, "200 application/json Instances",
     C(FUNCTION_NOT_FOUND)},
    {"/v1/functions/*/memory", "GET", GW_TOKEN, gw_manage_memory, 0, "memory", "memory",
     "What its calls have used, and the limit that follows from it.", GW_NO_PARAMETERS, NULL,
     "200 application/json Memory", C(FUNCTION_NOT_FOUND)},
    {"/v1/functions/*/tune", "POST", GW_TOKEN, gw_tune_post, LIMIT_JSON_BODY, "tune", "memory",
     "Calls it at several limits, on instances of its own.", GW_NO_PARAMETERS,
     "application/json TuneRequest", "200 application/json Tune",
     C(FUNCTION_NOT_FOUND) | C(BAD_JSON) | C(BAD_SETTING) | C(TUNE_FAILED)},
    {"/v1/functions/*/profile", "POST", GW_TOKEN, gw_profile_post, LIMIT_JSON_BODY, "profile",
     "memory", "Allocations of one instance by call stack.", GW_NO_PARAMETERS,
     "application/json ProfileRequest", "200 text/plain -, 200 application/vnd.google.protobuf -",
     C(FUNCTION_NOT_FOUND) | C(BAD_JSON) | C(BAD_SETTING) | C(PROFILE_FAILED)},
    {"/v1/functions/*/logs", "GET", GW_TOKEN, gw_logs_get, 0, "logs", "functions",
     "What it printed and logged, a JSON object per line.", GW_LOG_PARAMETERS, NULL,
     "200 application/x-ndjson LogLine", C(FUNCTION_NOT_FOUND) | C(BAD_SETTING) | C(OVERLOADED)},
};

const size_t gw_routes_count = sizeof gw_routes / sizeof gw_routes[0];

/* '*' matches one segment of the path. */
static bool
matches(const char *pattern, const char *path, struct gw_route_parts *parts)
{
    *parts = (struct gw_route_parts){0};
    while (*pattern != '\0') {
        if (*pattern == '*') {
            bool first = parts->name == NULL;
            size_t len = strcspn(path, "/");

            *(first ? &parts->name : &parts->version) = path;
            *(first ? &parts->name_len : &parts->version_len) = len;
            path += len;
            pattern++;
        } else if (*pattern++ != *path++) {
            return false;
        }
    }
    return *path == '\0';
}

static bool
serves(const struct gw_route *route, const char *method)
{
    return strcmp(route->method, method) == 0 ||
           (strcmp(method, "HEAD") == 0 && strcmp(route->method, "GET") == 0);
}

const struct gw_route *
gw_route_find(const char *path, const char *method, bool *known, struct gw_route_parts *parts)
{
    *known = false;
    for (size_t i = 0; i < gw_routes_count; i++) {
        if (!matches(gw_routes[i].path, path, parts))
            continue;
        *known = true;
        if (serves(&gw_routes[i], method))
            return &gw_routes[i];
    }
    return NULL;
}

void
gw_route_path(const struct gw_route *route, const char *name, const char *version, char *path,
              size_t n)
{
    const char *next = name;
    size_t used = 0;

    for (const char *from = route->path; *from != '\0' && used < n; from++)
        if (*from == '*') {
            used += (size_t)snprintf(path + used, n - used, "%s", next);
            next = version;
        } else {
            used += (size_t)snprintf(path + used, n - used, "%c", *from);
        }
}

void
gw_route_allow(const char *path, char *field, size_t n)
{
    size_t used = (size_t)snprintf(field, n, "Allow: ");
    struct gw_route_parts parts;

    for (size_t i = 0; i < gw_routes_count && used < n; i++)
        if (matches(gw_routes[i].path, path, &parts))
            used += (size_t)snprintf(field + used, n - used, "%s%s%s", used > 7 ? ", " : "",
                                     gw_routes[i].method,
                                     strcmp(gw_routes[i].method, "GET") == 0 ? ", HEAD" : "");
    if (used < n)
        (void)snprintf(field + used, n - used, "\r\n");
}
