/* main.c: hearth-gateway: HTTP, administration and scheduling, without privilege.
 * Started by the launcher as root, it gives up everything first: its root becomes
 * the state folder, its user one of its own, and its filter has no exec, no fork
 * and no new socket. What it alone holds are the clients and the channels.
 */
#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "admin/admin.h"
#include "admin/deploy.h"
#include "calls/entry.h"
#include "calls/instance.h"
#include "cleanup.h"
#include "filter.h"
#include "functions/function.h"
#include "functions/settings_json.h"
#include "functions/store.h"
#include "gateway.h"
#include "http/connection.h"
#include "landlock.h"
#include "log.h"
#include "signals.h"

#define FD_LAUNCHER  3
#define FD_LISTENERS 4

struct inherited {
    int listeners;
    bool admin_listener;
    uid_t uid;
    gid_t gid;
    int64_t memory; /* that this host, or the daemon's group, offers */
};

/* ---- giving up privilege ---- */

/* The state folder, which is the root by now, and nothing else; nothing in it is
 * executed. */
static int
close_files(struct hearth_err *err)
{
    int rules, status = sbx_landlock_begin(&rules, err);

    if (status == 0)
        status = sbx_landlock_allow(rules, "/", SBX_LANDLOCK_CHANGE, err);
    return status == 0 ? sbx_landlock_enforce(rules, err) : status;
}

static int
drop_capabilities(struct hearth_err *err)
{
    for (int cap = 0; cap <= CAP_LAST_CAP; cap++)
        if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) != 0 && errno != EINVAL)
            return err_set(err, errno, "wall \"capabilities\": drop %d", cap);
    return 0;
}

/* Its memory holds the token and what clients sent; and one that was taken over starts no
 * program of the host's by crashing. The limit: see sandbox/launcher/spawn.c. */
static int
forbid_cores(struct hearth_err *err)
{
    struct rlimit one = {.rlim_cur = 1, .rlim_max = 1};

    (void)setrlimit(RLIMIT_CORE, &one); /* not allowed to where it is 0 already, and no need */
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
        return err_set(err, errno, "wall \"cores\": may not be dumped");
    return 0;
}

static int
give_up_privilege(const struct gw_config *config, const struct inherited *in,
                  struct hearth_err *err)
{
    int status;

    if (chdir(config->state) != 0 || chroot(".") != 0 || chdir("/") != 0)
        return err_set(err, errno, "wall \"root\": make %s the root", config->state);
    status = drop_capabilities(err);
    if (status < 0)
        return status;
    if (setgroups(0, NULL) != 0 || setresgid(in->gid, in->gid, in->gid) != 0 ||
        setresuid(in->uid, in->uid, in->uid) != 0)
        return err_set(err, errno, "wall \"user\": become user %u", (unsigned)in->uid);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return err_set(err, errno, "wall \"no-new-privs\"");
    /* after the change of user, which clears it; should the launcher have died
     * before, its socket says so */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0)
        return err_set(err, errno, "tie this process's life to the launcher's");
    status = forbid_cores(err); /* after the change of user, which sets it anew */
    return status == 0 ? close_files(err) : status;
}

/* ---- what is on disk ---- */

/* One by one: what cannot be taken, on a smaller host or by a later release, is said, and
 * drops nothing else. */
static void
take_settings(const struct gw *gw, struct gw_function *f, json_t *settings)
{
    struct gw_bad_setting bad;
    const char *name;
    json_t *value;

    json_object_foreach (settings, name, value) {
        json_t *one = json_pack("{s:O}", name, value);

        if (gw_settings_from_json(&f->settings, one, &bad) < 0) {
            log_warning("function %s: setting %s of the state folder is not taken: allowed is %s",
                        f->name, bad.name, bad.allowed);
            if (strcmp(name, "memory") == 0 && json_integer_value(value) > gw->memory_budget)
                f->settings.numbers.memory = gw->memory_budget; /* the nearest there is */
        }
        json_decref(one);
    }
}

static void
on_version(void *user, const char *name, uint32_t number, const char *text, int live,
           int64_t object_bytes)
{
    struct gw *gw = user;
    struct gw_function *f = gw_function_find(gw, name, strlen(name));
    json_t *json = text != NULL ? json_loads(text, 0, NULL) : NULL;
    struct gw_version *version = calloc(1, sizeof *version), **at;

    if (f == NULL)
        f = gw_function_add(gw, name);
    if (f != NULL && number > f->newest)
        f->newest = number; /* readable or not: the next one gets a folder of its own */
    if (f == NULL || version == NULL || !json_is_object(json)) {
        log_warning("version %u of %s is left out: its function.json cannot be read", number, name);
        json_decref(json);
        free(version);
        return;
    }
    version->number = number;
    version->created_ms = json_integer_value(json_object_get(json, "created"));
    version->object_bytes = object_bytes;
    for (at = &f->versions; *at != NULL && (*at)->number > number;)
        at = &(*at)->next;
    version->next = *at;
    *at = version;
    if (live) {
        f->live = number;
        take_settings(gw, f, json_object_get(json, "settings"));
    }
    json_decref(json);
}

/* What min promised under a larger budget may not fit this one. */
static void
keep_what_fits(struct gw *gw, struct gw_function *f)
{
    int64_t wanted = f->settings.numbers.min;

    while (f->settings.numbers.min > 0 && !sch_fits(gw->sch, &f->sch, &f->settings.numbers))
        f->settings.numbers.min--;
    if (f->settings.numbers.min < wanted)
        log_warning("function %s: min is %lld for now, and not %lld: what it keeps would not fit "
                    "the memory_budget of %lld bytes beside what the others keep",
                    f->name, (long long)f->settings.numbers.min, (long long)wanted,
                    (long long)gw->memory_budget);
}

static void
start_functions(struct gw *gw)
{
    struct gw_function *f, *next;

    HASH_ITER (hh, gw->functions, f, next) {
        if (f->live == 0) {
            log_warning("function %s has no live version that can be read: it is left out, and its "
                        "files stay",
                        f->name);
            gw_function_remove(gw, f);
            continue;
        }
        keep_what_fits(gw, f);
        gw_function_apply(gw, f, false);
    }
}

static int
load_state(struct gw *gw, struct hearth_err *err)
{
    unsigned cleaned = 0;
    int status = store_open("/", &cleaned, err);

    if (status == 0)
        status = store_token(gw->token, err);
    if (status == 0)
        status = store_load(on_version, gw, err);
    if (cleaned > 0)
        log_info("removed %u half-written thing%s from the state folder", cleaned,
                 cleaned == 1 ? "" : "s");
    return status;
}

/* ---- the launcher ---- */

/* What every loop goes by. */
static void
publish_config(struct gw *gw)
{
    gw->header_timeout_ms = gw->config.header_timeout_ms;
    gw->keepalive_timeout_ms = gw->config.keepalive_timeout_ms;
    gw->no_auth = gw->config.no_auth;
}

static void
reload(struct gw *gw, int fd)
{
    struct gw_config next = gw->config;
    struct hearth_err err = {0};

    if (gw_config_read(&next, gw->config.config[0] != '\0' ? gw->config.config : "configuration",
                       fd, &err) < 0 ||
        gw_config_check(&next, &err) < 0) {
        log_error("the configuration is not reloaded: %s", err.text);
        return;
    }
    if (strcmp(next.listen, gw->config.listen) != 0 || strcmp(next.admin, gw->config.admin) != 0 ||
        strcmp(next.state, gw->config.state) != 0 || next.threads != gw->config.threads)
        log_warning("listen, admin, state and threads change only at a restart");
    gw->config.drain_time_ms = next.drain_time_ms;
    gw->config.header_timeout_ms = next.header_timeout_ms;
    gw->config.keepalive_timeout_ms = next.keepalive_timeout_ms;
    gw->config.no_auth = next.no_auth;
    publish_config(gw);
    log_info("the configuration is reloaded");
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
        if (n == 1)
            reload(gw, fds[0]);
        break;
    default:
        break;
    }
}

static void
on_launcher_lost(void *user)
{
    (void)user;
    log_error("the launcher is gone: stopping");
    _exit(1);
}

static void
say_ready(struct gw *gw)
{
    struct launch_message msg = {.type = LAUNCH_UP};
    struct gw_loop *loop = gw_main_loop(gw);
    char where[300], admin[300] = "";
    struct sockaddr_storage at;
    socklen_t len = sizeof at;
    int port = 0;

    if (!loop->listeners[0].is_unix &&
        getsockname(loop->listeners[0].fd, (struct sockaddr *)&at, &len) == 0)
        port = ntohs(at.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&at)->sin6_port
                                              : ((struct sockaddr_in *)&at)->sin_port);
    if (port > 0)
        (void)snprintf(where, sizeof where, "http://%.*s:%d",
                       (int)(strrchr(gw->config.listen, ':') - gw->config.listen),
                       gw->config.listen, port);
    else
        (void)snprintf(where, sizeof where, "%s", gw->config.listen);
    if (gw->config.admin[0] != '\0')
        (void)snprintf(admin, sizeof admin, ", admin on %s", gw->config.admin);
    gw->ready = true;
    log_info("ready on %s%s, state %s, %u function%s%s", where, admin, gw->config.state,
             HASH_COUNT(gw->functions), HASH_COUNT(gw->functions) == 1 ? "" : "s",
             gw->config.no_auth ? ", WITHOUT a token" : "");
    (void)launch_client_send(&gw->launcher, &msg);
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
        else
            break;
    }
    if (in->listeners < 1 || in->listeners > LIMIT_THREADS || in->uid == 0 || in->memory <= 0)
        return err_set(err, 0, "hearth-gateway is started by hearthd, not by hand");
    gw_config_default(config);
    return gw_config_arguments(config, argc - own, argv + own, err);
}

/* Half of the descriptors are for connections; the rest is for instances, which take five
 * and more each, for files and for the launcher's messages. */
static uint32_t
connections_most(void)
{
    struct rlimit files = {.rlim_cur = 1024};

    (void)getrlimit(RLIMIT_NOFILE, &files);
    return files.rlim_cur / 2 < UINT32_MAX ? (uint32_t)(files.rlim_cur / 2) : UINT32_MAX;
}

/* Functions are called, all else is the operators'. */
static const struct gw_handler *
route(const struct gw_conn *conn)
{
    return conn->names_function && conn->serves_calls ? &gw_call_handler : &gw_admin_handler;
}

static void
on_loop_open(struct gw_loop *loop)
{
    gw_dispatch_attach(loop);
    gw_conn_backlog_init(loop);
}

static int
open_gateway(struct gw *gw, const struct inherited *in, struct hearth_err *err)
{
    uint32_t cores = uv_available_parallelism(), loops = (uint32_t)gw->config.threads;
    int status = gw_balance_prepare(err);

    gw->memory_budget =
        gw->config.memory_budget > 0 ? gw->config.memory_budget : in->memory / 4 * 3;
    gw_settings_set_host_memory(gw->memory_budget);
    gw->conns_max = connections_most();
    (void)gethostname(gw->host_name, sizeof gw->host_name - 1);
    if (status == 0)
        status = give_up_privilege(&gw->config, in, err);
#ifdef HEARTH_SANITIZED
    log_warning("built with sanitizers, for tests: WITHOUT the wall \"seccomp\" of the gateway");
#else
    if (status == 0)
        status = sbx_filter_apply(SBX_PROFILE_GATEWAY, err);
#endif
    if (status < 0)
        return status;
    publish_config(gw);
    json_object_seed(0); /* now, and not by two threads at once */
    (void)gw_parser_settings();
    gw->sch = sch_new(&(struct sch_config){.cores = cores > loops ? cores - loops : 1,
                                           .lanes = loops,
                                           .memory_budget = gw->memory_budget,
                                           .queue_calls = (uint64_t)gw->config.queue_calls,
                                           .queue_bytes = (uint64_t)gw->config.queue_bytes});
    if (gw->sch == NULL)
        return err_set(err, ENOMEM, "make the scheduler");
    gw->on_open = on_loop_open;
    gw->route = route;
    gw->on_tick = gw_server_check_drained;
    status = gw_loops_open(gw, err);
    if (status < 0)
        return status;
    gw->launcher.user = gw;
    gw->launcher.on_message = on_launcher_message;
    gw->launcher.on_lost = on_launcher_lost;
    status = launch_client_open(&gw->launcher, gw_main_loop(gw)->uv, FD_LAUNCHER);
    if (status < 0)
        return err_set(err, -status, "watch the launcher's socket");
    status = load_state(gw, err);
    if (status == 0)
        status = gw_server_open(gw, FD_LISTENERS, in->listeners, in->admin_listener, err);
    return status;
}

int
main(int argc, char **argv)
{
    static struct gw gw; /* it lives as long as the program */
    struct inherited in = {0};
    struct hearth_err err = {0};
    sigset_t none;

    log_open("hearth-gateway", LOG_LEVEL_INFO);
    (void)sigemptyset(&none);
    /* It acts on no signal: it lives and ends by the launcher, which gets the terminal's ^C and
     * systemd's SIGTERM as well, and drains. */
    if (signals_settle(&none, &err) < 0 || parse(argc, argv, &in, &gw.config, &err) < 0 ||
        open_gateway(&gw, &in, &err) < 0) {
        log_error("%s", err.text);
        return 1;
    }
    start_functions(&gw);
    gw_balance_start(&gw);
    if (gw_loops_start(&gw, &err) < 0) {
        log_error("%s", err.text);
        return 1;
    }
    say_ready(&gw);
    (void)uv_run(gw_main_loop(&gw)->uv, UV_RUN_DEFAULT);
    return 0;
}
