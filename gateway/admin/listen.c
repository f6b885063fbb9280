/* listen.c: GET …/logs and /v1/events: which lines are wanted, the ones that are there, and with
 * follow=1 those that come.
 */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin.h"
#include "cleanup.h"
#include "clock.h"
#include "container.h"
#include "event_log.h"
#include "function.h"
#include "instance.h"
#include "journal.h"
#include "logs.h"
#include "name.h"
#include "query.h"
#include "settings_json.h"
#include "text.h"
#include "units.h"

#define LINES_MOST 100000 /* of a log in one request */

/* ---- the query ---- */

struct listening {
    bool events;
    int64_t follow, lines;
    struct log_filter filter;
    char function[LIMIT_NAME + 1]; /* of events; "": all */
};

static bool
take_follow(struct listening *l, const char *value)
{
    return gw_query_number(value, 0, 1, &l->follow) == 0;
}

static bool
take_lines(struct listening *l, const char *value)
{
    return gw_query_number(value, 0, l->events ? GW_EVENTS_KEPT : LINES_MOST, &l->lines) == 0;
}

static bool
take_since(struct listening *l, const char *value)
{
    int64_t ago;

    if (text_time_parse(value, &l->filter.since_ms))
        return true;
    if (units_parse_time(value, &ago) < 0)
        return false;
    l->filter.since_ms = clock_wall_ms() - ago;
    return true;
}

static bool
take_level(struct listening *l, const char *value)
{
    l->filter.level = log_level_number(value);
    return l->filter.level >= 0;
}

static bool
take_call(struct listening *l, const char *value)
{
    int n = snprintf(l->filter.call_id, sizeof l->filter.call_id, "%s", value);

    return n > 0 && (size_t)n < sizeof l->filter.call_id;
}

static bool
take_function(struct listening *l, const char *value)
{
    (void)snprintf(l->function, sizeof l->function, "%s", value);
    return name_function_ok(value, strlen(value));
}

static const struct parameter {
    const char *name;
    bool of_logs, of_events;
    bool (*take)(struct listening *l, const char *value);
    const char *allowed, *allowed_of_events; /* NULL: the same */
} parameters[] = {
    {"follow", true, true, take_follow, "0 or 1", NULL},
    {"lines", true, true, take_lines, "0 to 100000", "0 to 1024"},
    {"since", true, true, take_since,
     "a time such as 2026-01-31T12:00:00Z, or how long ago, such as 10m", NULL},
    {"level", true, false, take_level, "debug, info, warning or error", NULL},
    {"call", true, false, take_call, "the id of a call", NULL},
    {"function", false, true, take_function, "the name of a function", NULL},
};

#define PARAMETERS (sizeof parameters / sizeof parameters[0])

static bool
is_of(const struct parameter *p, bool events)
{
    return events ? p->of_events : p->of_logs;
}

static const char *
allowed_of(const struct parameter *p, bool events)
{
    return events && p->allowed_of_events != NULL ? p->allowed_of_events : p->allowed;
}

const char *
gw_listen_parameter(bool events, unsigned i, const char **allowed)
{
    for (const struct parameter *p = parameters; p < parameters + PARAMETERS; p++)
        if (is_of(p, events) && i-- == 0) {
            *allowed = allowed_of(p, events);
            return p->name;
        }
    return NULL;
}

static int
take_pair(struct listening *l, const char *name, const char *value, bool *seen,
          struct gw_bad_setting *bad)
{
    for (size_t i = 0; i < PARAMETERS; i++) {
        const struct parameter *p = &parameters[i];

        if (strcmp(p->name, name) != 0 || !is_of(p, l->events))
            continue;
        if (seen[i])
            return gw_settings_blame(bad, name, "one value, but it is given twice");
        seen[i] = true;
        if (!p->take(l, value))
            return gw_settings_blame(bad, name, allowed_of(p, l->events));
        return 0;
    }
    return gw_settings_blame(bad, name,
                             l->events ? "follow, lines, since, function"
                                       : "follow, lines, since, level, call");
}

/* False: the request was refused. */
static bool
parse(struct gw_request *req, struct listening *l)
{
    const char *query = req->query;
    bool seen[PARAMETERS] = {false};
    struct gw_bad_setting bad;

    for (;;) {
        cleanup_free char *name = NULL, *value = NULL;
        int status = gw_query_next(&query, &name, &value);

        if (status == 0)
            return true;
        if (status > 0)
            status = take_pair(l, name, value, seen, &bad);
        else
            status = gw_settings_blame(&bad, "query", GW_QUERY_FORM);
        if (status < 0) {
            gw_request_bad_setting(req, &bad);
            return false;
        }
    }
}

/* ---- logs ---- */

struct logs_request {
    struct gw_logs_read read;
    struct gw_request *req;
    bool follow;
};

static void
on_logs(struct gw_logs_read *read, char *text, size_t len, uint64_t next)
{
    struct logs_request *logs = container_of(read, struct logs_request, read);

    if (text == NULL)
        gw_request_problem(logs->req, GW_FUNCTION_NOT_FOUND, NULL, "no function \"%s\" is deployed",
                           read->name);
    else if (logs->follow)
        gw_follow(logs->req, &(struct gw_following){.from = next, .filter = read->filter}, text,
                  len);
    else
        gw_request_text(logs->req, 200, "application/x-ndjson", text, len);
    free(logs);
}

void
gw_logs_get(struct gw_request *req)
{
    struct listening l = {.lines = 100};
    struct gw_function *f = gw_request_function(req);
    struct logs_request *logs;

    if (f == NULL || !parse(req, &l))
        return;
    logs = calloc(1, sizeof *logs);
    if (logs == NULL) {
        gw_request_problem(req, GW_INTERNAL, NULL, "no memory");
        return;
    }
    gw_function_take_output(f);
    logs->req = req;
    logs->follow = l.follow != 0;
    logs->read =
        (struct gw_logs_read){.filter = l.filter, .lines = (size_t)l.lines, .done = on_logs};
    memcpy(logs->read.name, f->name, sizeof logs->read.name);
    gw_logs_read(req->gw, &logs->read);
}

/* ---- events ---- */

void
gw_events_get(struct gw_request *req)
{
    struct listening l = {.events = true, .lines = GW_EVENTS_KEPT};
    uint64_t from = gw_events_next();
    size_t len = 0;
    char *text;

    if (!parse(req, &l))
        return;
    from = from > (uint64_t)l.lines ? from - (uint64_t)l.lines : 0;
    text = gw_events_text(&from, l.function, l.filter.since_ms, &len);
    if (l.follow != 0)
        gw_follow(req,
                  &(struct gw_following){
                      .events = true, .function = l.function, .from = from, .filter = l.filter},
                  text, len);
    else
        gw_request_text(req, 200, "application/x-ndjson", text, len);
}
