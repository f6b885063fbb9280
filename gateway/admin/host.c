/* host.c: GET /v1/host: the daemon and its host: isolation layers, memory, pressure, loops. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "admin.h"
#include "http.h"
#include "metrics.h"
#include "scheduler.h"

bool
gw_memory_pressure(int fd, double *some, double *full)
{
    char text[256];
    ssize_t got = fd >= 0 ? pread(fd, text, sizeof text - 1, 0) : -1;
    const char *at;

    *full = 0;
    if (got <= 0)
        return false; /* this kernel has none */
    text[got] = '\0';
    if (sscanf(text, "some avg10=%lf", some) != 1)
        return false;
    at = strstr(text, "full avg10=");
    if (at != NULL)
        (void)sscanf(at, "full avg10=%lf", full);
    *some /= 100;
    *full /= 100;
    return true;
}

/* The shares of the last 10 s in which some or all tasks waited for memory (PSI); null where this
 * kernel has none. */
static json_t *
pressure_json(int fd)
{
    double some, full;

    if (!gw_memory_pressure(fd, &some, &full))
        return json_null();
    return json_pack("{s:f,s:f}", "some", some, "all", full);
}

static json_t *
memory_json(const struct gw *gw)
{
    return json_pack("{s:I,s:I}", "budget", (json_int_t)gw->functions->memory_budget, "reserved",
                     (json_int_t)sch_used_bytes(gw->functions->sch));
}

/* "a,b" as an array. */
static json_t *
names_json(const char *list)
{
    json_t *names = json_array();
    char text[sizeof((struct gw_admin *)NULL)->walls], *rest = text, *name;

    (void)snprintf(text, sizeof text, "%s", list);
    while ((name = strtok_r(rest, ",", &rest)) != NULL)
        (void)json_array_append_new(names, json_string(name));
    return names;
}

void
gw_host_get(struct gw_request *req)
{
    struct gw *gw = req->gw;

    gw_request_json(
        req, 200,
        json_pack(
            "{s:s,s:s,s:I,s:s,s:o,s:o,s:o,s:o,s:{s:i,s:i},s:i,s:I,s:{s:I,s:I},s:b,s:b}", "version",
            HEARTH_VERSION, "host", gw->admin->host_name, "uptime",
            (json_int_t)(gw_now_ms() - gw->admin->started_ms), "cgroup", gw->admin->cgroup, "walls",
            names_json(gw->admin->walls), "insecure", names_json(gw->admin->insecure), "memory",
            memory_json(gw), "pressure", pressure_json(gw->admin->pressure_fd), "loops",
            "configured", (int)gw->loops_count, "active", (int)gw->http->active, "functions",
            (int)HASH_COUNT(gw->functions->table), "connections", (json_int_t)gw_conns_count(gw),
            "waiting_bytes", "memory", (json_int_t)gw->http->spool_use.memory, "disk",
            (json_int_t)gw->http->spool_use.disk, "draining", (int)gw->draining, "shared_listener",
            (int)req->calls_here));
}
