/* main.c: hearth-gateway: HTTP, administration and scheduling, without privileges. The launcher
 * starts it as root. It drops all privileges first: it changes root to the state folder, becomes
 * its own user, and applies a system-call filter without exec, fork and new sockets. The clients
 * and the channels are held by this process alone.
 */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "access.h"
#include "admin.h"
#include "alive.h"
#include "cleanup.h"
#include "config.h"
#include "connection.h"
#include "deploy.h"
#include "dispatch.h"
#include "entry.h"
#include "function.h"
#include "http.h"
#include "inherit.h"
#include "instance.h"
#include "keep.h"
#include "load.h"
#include "log.h"
#include "logs.h"
#include "loop.h"
#include "network.h"
#include "privilege.h"
#include "running.h"
#include "settings_json.h"
#include "signals.h"
#include "socket_name.h"
#include "store.h"
#include "tls.h"
#include "tracing.h"

struct inherited {
    int listeners;
    bool admin_listener, exporter;
    uid_t uid;
    gid_t gid;
    int64_t memory; /* available on this host, or to the daemon's cgroup */
    const char *cgroup, *walls, *without;
};

/* ---- the launcher ---- */

/* Copies the options that every loop reads. */
static void
publish_config(struct gw *gw)
{
    store_limit_cache((uint64_t)gw->admin->config.build_cache);
    gw->functions->max_functions = (uint32_t)gw->admin->config.max_functions;
    gw->functions->disk_budget = gw->admin->config.disk_budget;
    gw->http->header_timeout_ms = gw->admin->config.header_timeout_ms;
    gw->http->max_head = gw->admin->config.max_header;
    gw->http->max_fields = gw->admin->config.max_header_fields;
    gw->http->max_url = gw->admin->config.max_url;
    gw->http->conns_per_address = (uint32_t)gw->admin->config.connections_per_address;
    gw->http->body_timeout_ms = gw->admin->config.body_timeout_ms;
    gw->http->write_timeout_ms = gw->admin->config.write_timeout_ms;
    gw->http->keepalive_timeout_ms = gw->admin->config.keepalive_timeout_ms;
    gw->admin->no_auth = gw->admin->config.no_auth && gw->admin->is_local;
    if (gw->admin->config.no_auth && !gw->admin->is_local)
        log_error("no_auth is for loopback and unix listeners only: a token is needed");
    gw->http->drain_time_ms = gw->admin->config.drain_time_ms;
    gw->http->access_format = (int)gw->admin->config.access_log;
    gw->http->trace_percent = gw->admin->config.trace_percent;
}

static void
reload(struct gw *gw, int fd)
{
    const char *path = gw->admin->config.config;
    struct hearth_err err = {0};
    struct gw_config next;
    char rest[512];
    int status;

    gw_config_default(&next);
    status = gw_config_read(&next, path[0] != '\0' ? path : "configuration", fd, &err);
    gw_config_keep_fixed(&next, &gw->admin->config);
    if (status < 0 || gw_config_check(&next, &err) < 0) {
        log_error("the configuration was not reloaded: %s", err.text);
        return;
    }
    gw_config_adopt(&gw->admin->config, &next, rest, sizeof rest);
    if (rest[0] != '\0')
        log_warning("of the configuration this changes only on a restart: %s", rest);
    log_info("the configuration was reloaded");
}

/* Reads the certificate, from descriptors on a reload, which this takes, or else from its paths. */
static int
load_certificate(struct gw *gw, const int *fds, struct hearth_err *err)
{
    const struct gw_config *config = &gw->admin->config;
    cleanup_file FILE *cert = fds != NULL ? fdopen(fds[0], "r") : fopen(config->tls_cert, "re");
    cleanup_file FILE *key = fds != NULL ? fdopen(fds[1], "r") : fopen(config->tls_key, "re");

    if (cert == NULL)
        return err_set(err, errno, "open tls_cert %s", config->tls_cert);
    if (key == NULL)
        return err_set(err, errno, "open tls_key %s", config->tls_key);
    return gw_tls_load(gw, cert, key, err);
}

static void
reload_certificate(struct gw *gw, int *fds)
{
    struct hearth_err err = {0};
    int status = load_certificate(gw, fds, &err);

    fds[0] = fds[1] = -1;
    if (status < 0)
        log_error("the certificate was not reloaded: %s", err.text);
    else
        log_info("the certificate was reloaded");
}

static void
on_reload(struct gw *gw, const struct launch_message *msg, int *fds, unsigned n)
{
    bool has_config = (msg->id & LAUNCH_RELOAD_CONFIG) != 0;
    bool has_tls = (msg->id & LAUNCH_RELOAD_TLS) != 0;
    struct hearth_err err = {0};

    if (n != (unsigned)has_config + 2 * (unsigned)has_tls) {
        while (n > 0)
            (void)close(fds[--n]);
        return;
    }
    if (has_config)
        reload(gw, fds[0]);
    if (has_tls)
        reload_certificate(gw, fds + has_config);
    if (gw->admin->config.access_log != GW_ACCESS_OFF) {
        if (gw_access_open("/access.log", &err) == 0) {
            log_info("the access log was opened anew");
        } else {
            log_error("%s: there is none until the next reload", err.text);
            gw->admin->config.access_log = GW_ACCESS_OFF;
        }
    } else if (n == 0)
        log_warning("signal to reload the configuration, but there is no file");
    publish_config(gw); /* the file of the access log is open by now */
}

static void
on_launcher_message(void *user, const struct launch_message *msg, int *fds, unsigned n)
{
    struct gw *gw = user;
    gw_locked struct gw *held = gw_lock(gw);

    switch (msg->type) {
    case LAUNCH_STARTED:
    case LAUNCH_DIED:
    case LAUNCH_LIMITED:
    case LAUNCH_CHECKED:
        gw_instance_on_message(gw, msg, fds, n);
        break;
    case LAUNCH_BUILT:
        gw_deploy_on_built(gw, msg, fds, n);
        break;
    case LAUNCH_DRAIN:
        gw_server_drain(gw);
        break;
    case LAUNCH_RELOAD:
        on_reload(gw, msg, fds, n);
        break;
    case LAUNCH_BEAT:
        gw_alive_answer(gw, msg->id);
        break;
    default:
        break;
    }
}

static void
on_launcher_lost(void *user)
{
    (void)user;
    log_error("the launcher has exited: stopping");
    _exit(1);
}

/* Whether only this host reaches the administration. */
static bool
is_local(const struct inherited *in)
{
    int first = INHERIT_GATEWAY_LISTENERS + (in->admin_listener ? in->listeners : 0);
    int count = in->admin_listener ? 1 : in->listeners;
    char name[200];

    for (int i = 0; i < count; i++) {
        if (!socket_name(first + i, name, sizeof name) || !gw_config_is_local(name))
            return false;
    }
    return true;
}

static void
report_ready(struct gw *gw)
{
    struct launch_message msg = {.type = LAUNCH_UP};
    struct gw_loop *loop = gw_main_loop(gw);
    char listen[200], where[300], admin[300] = "";

    (void)socket_name(loop->http->listeners[0].fd, listen, sizeof listen);
    (void)snprintf(where, sizeof where, "%s%s",
                   loop->http->listeners[0].is_unix ? ""
                   : gw->http->tls != NULL          ? "https://"
                                                    : "http://",
                   listen);
    if (gw->http->admin_alone) {
        (void)socket_name(loop->http->listeners[1].fd, listen, sizeof listen);
        (void)snprintf(admin, sizeof admin, ", admin on %s", listen);
    }
    gw->admin->ready = true;
    log_info("ready on %s%s, state %s, %u function%s%s", where, admin, gw->admin->config.state,
             HASH_COUNT(gw->functions->table), HASH_COUNT(gw->functions->table) == 1 ? "" : "s",
             gw->admin->config.no_auth ? ", WITHOUT a token" : "");
    (void)launch_client_send(&gw->instances->launcher, &msg);
}

/* ---- main ---- */

static int
parse(int argc, char **argv, struct inherited *in, struct gw_config *config, struct hearth_err *err)
{
    int own = 1;

    for (; own < argc; own++) {
        unsigned long long value;
        const char *at = strchr(argv[own], '=');

        value = at != NULL ? strtoull(at + 1, NULL, 10) : 0;
        if (strncmp(argv[own], "--listeners=", 12) == 0)
            in->listeners = (int)value;
        else if (strncmp(argv[own], "--admin-listener=", 17) == 0)
            in->admin_listener = value != 0;
        else if (strncmp(argv[own], "--uid=", 6) == 0)
            in->uid = (uid_t)value;
        else if (strncmp(argv[own], "--gid=", 6) == 0)
            in->gid = (gid_t)value;
        else if (strncmp(argv[own], "--memory=", 9) == 0)
            in->memory = (int64_t)value;
        else if (strncmp(argv[own], "--cgroup=", 9) == 0)
            in->cgroup = argv[own] + 9;
        else if (strncmp(argv[own], "--walls=", 8) == 0)
            in->walls = argv[own] + 8;
        else if (strncmp(argv[own], "--without=", 10) == 0)
            in->without = argv[own] + 10;
        else if (strncmp(argv[own], "--exporter=", 11) == 0)
            in->exporter = value != 0;
        else
            break;
    }
    if (in->listeners < 1 || in->listeners > LIMIT_THREADS ||
        (in->uid == 0 && in->without == NULL) || in->memory <= 0)
        return err_set(err, 0, "hearth-gateway must be started by hearthd");
    gw_config_default(config);
    return gw_config_from_hearthd(config, argc - own, argv + own, err);
}

/* Half of the descriptors are for connections, a quarter for bodies and responses that wait. The
 * rest is for instances, which take five or more each, for files, and for the launcher's messages.
 */
static uint32_t
descriptors(void)
{
    struct rlimit files = {.rlim_cur = 1024};

    (void)getrlimit(RLIMIT_NOFILE, &files);
    return files.rlim_cur < UINT32_MAX ? (uint32_t)files.rlim_cur : UINT32_MAX;
}

/* Requests to /function/... go to calls/, all others to admin/. */
static const struct gw_handler *
route(const struct gw_conn *conn)
{
    return conn->names_function && conn->serves_calls ? &gw_call_handler : &gw_admin_handler;
}

static void
on_loop_tick(struct gw_loop *loop)
{
    gw_instances_tick(loop);
    gw_server_check_drained(loop);
}

static int
on_loop_open(struct gw_loop *loop)
{
    int status = gw_calls_attach(loop);

    if (status == 0)
        status = gw_instances_attach(loop);
    return status == 0 ? gw_http_attach(loop) : status;
}

static int
make_scheduler(struct gw *gw, struct hearth_err *err)
{
    const struct gw_config *config = &gw->admin->config;
    uint32_t cores = uv_available_parallelism(), loops = (uint32_t)config->threads;

    gw->functions->sch =
        sch_new(&(struct sch_config){.cores = cores > loops ? cores - loops : 1,
                                     .lanes = loops,
                                     .memory_budget = gw->functions->memory_budget,
                                     .queue_calls = (uint64_t)config->queue_calls,
                                     .queue_bytes = (uint64_t)config->queue_bytes});
    return gw->functions->sch != NULL ? 0 : err_set(err, ENOMEM, "create the scheduler");
}

static int
watch_launcher(struct gw *gw, struct hearth_err *err)
{
    struct launch_client *launcher = &gw->instances->launcher;
    int status;

    launcher->user = gw;
    launcher->on_message = on_launcher_message;
    launcher->on_lost = on_launcher_lost;
    status = launch_client_open(launcher, gw_main_loop(gw)->uv, INHERIT_GATEWAY_LAUNCHER);
    return status == 0 ? 0 : err_set(err, -status, "watch the launcher's socket");
}

#define SPOOL_MOST (INT64_C(4) << 30)

/* What bodies and responses that wait may take together. */
static void
bound_spools(struct gw *gw)
{
    const struct gw_config *config = &gw->admin->config;
    struct statvfs disk;

    gw->http->spool_use.memory_most = config->queue_bytes;
    gw->http->spool_use.files_most = descriptors() / 4;
    gw->http->spool_use.disk_most = config->spool_bytes > 0 ? config->spool_bytes : SPOOL_MOST;
    if (config->spool_bytes == 0 && statvfs(config->state, &disk) == 0 &&
        disk.f_bavail * disk.f_frsize / 10 < (uint64_t)SPOOL_MOST)
        gw->http->spool_use.disk_most = (int64_t)(disk.f_bavail * disk.f_frsize / 10);
}

/* The steps that need the file system or privileges; then drops them. */
static int
drop_privileges(struct gw *gw, const struct inherited *in, struct hearth_err *err)
{
    const struct gw_config *config = &gw->admin->config;
    int status = gw_balance_prepare(err);

    gw->functions->memory_budget =
        config->memory_budget > 0 ? config->memory_budget : in->memory / 4 * 3;
    gw_settings_set_host_memory(gw->functions->memory_budget);
    gw->http->conns_max = descriptors() / 2;
    if (config->connections > 0 && config->connections < gw->http->conns_max)
        gw->http->conns_max = (uint32_t)config->connections;
    bound_spools(gw);
    gw->admin->started_ms = gw_now_ms();
    if (in->cgroup != NULL && in->walls != NULL) {
        (void)snprintf(gw->admin->cgroup, sizeof gw->admin->cgroup, "%s", in->cgroup);
        (void)snprintf(gw->admin->walls, sizeof gw->admin->walls, "%s", in->walls);
        (void)snprintf(gw->admin->insecure, sizeof gw->admin->insecure, "%s",
                       in->without != NULL ? in->without : "");
    }
    (void)networks_parse(config->trusted_proxies, &gw->http->trusted_proxies, err); /* checked */
    if (status == 0 && config->tls_cert[0] != '\0')
        status = load_certificate(gw, NULL, err);
    gw->admin->pressure_fd = open("/proc/pressure/memory", O_RDONLY | O_CLOEXEC);
    (void)gethostname(gw->admin->host_name, sizeof gw->admin->host_name - 1);
    return status == 0 ? gw_privilege_drop(config->state, in->uid, in->gid, err) : status;
}

static int
open_gateway(struct gw *gw, const struct inherited *in, struct hearth_err *err)
{
    const struct gw_config *config = &gw->admin->config;
    int status = drop_privileges(gw, in, err);

    if (status < 0)
        return status;
    gw->admin->is_local = is_local(in);
    if (config->no_auth && !gw->admin->is_local)
        return err_set(err, 0,
                       "no_auth is for loopback and unix listeners only; the service "
                       "manager passed another one");
    publish_config(gw);
    json_object_seed(0); /* before the threads start: it is not thread-safe */
    (void)gw_parser_settings();
    gw->calls->alarm_ns = INT64_MAX;
    gw->http->route = route;
    gw->http->spread = config->spread;
    gw->http->trace_fd =
        in->exporter ? INHERIT_GATEWAY_LISTENERS + in->listeners + (int)in->admin_listener : 0;
    gw->instances->events = &gw_call_events;
    gw->on_open = on_loop_open;
    gw->on_tick = on_loop_tick;
    status = make_scheduler(gw, err);
    if (status == 0)
        status = gw_loops_open(gw, (uint32_t)config->threads,
                               config->threads > 1 && !config->spread, err);
    if (status == 0)
        status = watch_launcher(gw, err);
    if (status == 0) {
        status = gw_network_open(gw, INHERIT_GATEWAY_BROKER);
        if (status < 0)
            return err_set(err, -status, "watch the socket of the broker");
    }
    if (status == 0 && config->access_log != GW_ACCESS_OFF)
        status = gw_access_open("/access.log", err);
    if (status == 0)
        status = gw_functions_load(gw, gw->admin->token, err);
    if (status == 0)
        status =
            gw_server_open(gw, INHERIT_GATEWAY_LISTENERS, in->listeners, in->admin_listener, err);
    return status;
}

/* ---- the end: each loop writes what it has collected ---- */

static struct gw_mail last_mail[LIMIT_THREADS];
static uint32_t loops_written; /* of the others; on the main loop */

static void
deliver_written(struct gw_loop *loop, struct gw_mail *mail)
{
    (void)loop;
    (void)mail;
    loops_written++;
}

static void
deliver_last(struct gw_loop *loop, struct gw_mail *mail)
{
    if (!gw_access_last(loop)) {
        gw_post(loop, mail, deliver_last); /* once more, when that has been written */
        return;
    }
    gw_tracing_last(loop);
    gw_post(gw_main_loop(loop->gw), mail, deliver_written);
}

/* The other loops still run; the main one runs on only for this. */
static void
write_last(struct gw *gw)
{
    struct gw_loop *first = gw_main_loop(gw);

    for (uint32_t i = 1; i < gw->loops_count; i++)
        gw_post(gw->loops[i], &last_mail[i], deliver_last);
    while (!gw_access_last(first) || loops_written + 1 < gw->loops_count)
        (void)uv_run(first->uv, UV_RUN_ONCE);
    gw_tracing_last(first);
}

int
main(int argc, char **argv)
{
    static struct gw_http http; /* these live as long as the program */
    static struct gw_functions functions;
    static struct gw_instances instances;
    static struct gw_calls calls;
    static struct gw_admin admin;
    static struct gw gw = {.http = &http,
                           .functions = &functions,
                           .instances = &instances,
                           .calls = &calls,
                           .admin = &admin};
    struct inherited in = {0};
    struct hearth_err err = {0};
    sigset_t none;

    (void)mallopt(M_MMAP_THRESHOLD, 1 << 20); /* what is larger goes back when it is freed */
    log_open("hearth-gateway", LOG_LEVEL_INFO);
    log_take_form(argc, argv);
    (void)sigemptyset(&none);
    /* The gateway handles no signal. The launcher gets the terminal's ^C and systemd's SIGTERM as
     * well, and tells it to drain. */
    if (signals_settle(&none, &err) < 0 || parse(argc, argv, &in, &admin.config, &err) < 0 ||
        open_gateway(&gw, &in, &err) < 0) {
        log_error("%s", err.text);
        return 1;
    }
    gw_keep_start(&gw);
    gw_logs_start(&gw, admin.config.log_bytes, admin.config.log_budget);
    gw_functions_start(&gw);
    gw_balance_start(&gw);
    if (gw_loops_start(&gw, &err) < 0) {
        log_error("%s", err.text);
        return 1;
    }
    report_ready(&gw);
    (void)uv_run(gw_main_loop(&gw)->uv, UV_RUN_DEFAULT);
    gw_keep_last(&gw);
    gw_logs_last(&gw);
    write_last(&gw);
    return 0;
}
