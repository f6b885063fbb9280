/* gateway.c: starts the gateway process, sends it messages, and starts it again if it dies. */
#include "launcher/gateway.h"
#include "launcher/forks.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"
#include "inherit.h"
#include "landlock.h"
#include "launcher/beat.h"
#include "launcher/blanks.h"
#include "launcher/broker.h"
#include "launcher/child.h"
#include "launcher/report.h"
#include "launcher/watch.h"
#include "log.h"

#define GATEWAY_OWN        9  /* arguments that are made here */
#define GATEWAY_TEXT       80 /* bytes of one */
#define RESTARTS_WINDOW_MS 10000

/* What it inherits, as arguments. */
struct own_arguments {
    char text[GATEWAY_OWN][GATEWAY_TEXT];
    int count;
};

static void __attribute__((format(printf, 2, 3)))
add(struct own_arguments *own, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(own->text[own->count++], GATEWAY_TEXT, fmt, ap);
    va_end(ap);
}

/* Argument list of the gateway: what it inherits, then the options of the user. */
static void
gateway_argv(const struct launcher *l, char **argv, struct own_arguments *own)
{
    int n = 0;

    add(own, "--listeners=%d", l->listeners_count);
    add(own, "--admin-listener=%d", l->admin_listener >= 0);
    add(own, "--uid=%u", (unsigned)l->gateway_uid);
    add(own, "--gid=%u", (unsigned)l->gateway_gid);
    add(own, "--memory=%llu", (unsigned long long)sbx_cgroup_offered(&l->tree));
    add(own, "--cgroup=%s", l->tree.ops->kind);
    add(own, "--walls=%snamespaces,%sseccomp%s", l->without_cgroups ? "" : "cgroup,",
        l->without_users ? "" : "users,", sbx_landlock_abi() > 0 ? ",landlock" : "");
    if (l->without_users || l->without_cgroups)
        add(own, "--without=%s%s%s", l->without_cgroups ? "cgroup" : "",
            l->without_cgroups && l->without_users ? "," : "", l->without_users ? "users" : "");
    if (l->exporter_socks[0] >= 0)
        add(own, "--exporter=1");
    argv[n++] = (char *)"hearth-gateway";
    for (int i = 0; i < own->count; i++)
        argv[n++] = own->text[i];
    for (int i = 0; i < l->options.gateway_args_count; i++)
        argv[n++] = l->options.gateway_args[i];
    argv[n] = NULL;
}

static int
arrange_fds(const struct launcher *l, int sock)
{
    int from[LIMIT_THREADS + 4], n = 0;

    from[n++] = sock;
    from[n++] = l->broker_gateway[0];
    for (int i = 0; i < l->listeners_count; i++)
        from[n++] = l->listeners[i];
    if (l->admin_listener >= 0)
        from[n++] = l->admin_listener;
    if (l->exporter_socks[0] >= 0)
        from[n++] = l->exporter_socks[0];
    for (int i = 0; i < n; i++)
        if ((from[i] = fcntl(from[i], F_DUPFD_CLOEXEC, 256)) < 0)
            return -errno;
    for (int i = 0; i < n; i++)
        if (dup2(from[i], INHERIT_GATEWAY_LAUNCHER + i) < 0)
            return -errno;
    /* ours are close-on-exec; those that hearthd was started with may not be */
    if (syscall(SYS_close_range, INHERIT_GATEWAY_LAUNCHER + n, ~0U, CLOSE_RANGE_CLOEXEC) != 0)
        return -errno;
    return 0;
}

/* Signals stay blocked until the gateway has set what they do: one that is sent to the whole
 * process group meanwhile must not end it. */
static _Noreturn void
gateway_child(const struct launcher *l, int sock)
{
    struct own_arguments own = {.count = 0};
    size_t most = 1 + GATEWAY_OWN + (size_t)l->options.gateway_args_count + 1;
    cleanup_free char **argv = calloc(most, sizeof *argv);
    char path[PATH_MAX];
    struct hearth_err err = {0};
    int status = argv == NULL ? err_set(&err, ENOMEM, "start the gateway") : 0;

    if (status == 0)
        status = sbx_jail_leave_out(&l->jail, &err);
    if (status == 0 && arrange_fds(l, sock) < 0)
        status = err_set(&err, errno, "arrange the descriptors of the gateway");
    if (status == 0) {
        gateway_argv(l, argv, &own);
        (void)snprintf(path, sizeof path, "%s/libexec/hearth/hearth-gateway", l->prefix);
        (void)execv(path, argv);
        (void)err_set(&err, errno, "execute %s", path);
    }
    log_error("%s", err.text);
    _exit(1);
}

int
launcher_gateway_start(struct launcher *l, struct hearth_err *err)
{
    struct timeval send_timeout = {.tv_sec = 5};
    int pair[2], status = launcher_broker_for_gateway(l, err);

    if (status < 0)
        return status;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        return err_set(err, errno, "make a socket pair");
    l->gateway_pid = fork();
    if (l->gateway_pid == 0)
        gateway_child(l, pair[1]);
    (void)close(pair[1]);
    l->gateway_sock = pair[0];
    if (l->gateway_pid < 0)
        return err_set(err, errno, "start the gateway");
    /* a gateway that no longer reads must not block the launcher */
    (void)setsockopt(pair[0], SOL_SOCKET, SO_SNDTIMEO, &send_timeout, sizeof send_timeout);
    l->gateway_pidfd = (int)syscall(SYS_pidfd_open, l->gateway_pid, 0);
    l->gateway_up = false;
    launcher_beat_reset(l);
    if (l->gateway_pidfd < 0 || launcher_watch(l, l->gateway_sock, LAUNCHER_TAG_GATEWAY) < 0 ||
        launcher_watch(l, l->gateway_pidfd, LAUNCHER_TAG_GATEWAY_END) < 0)
        return err_set(err, errno, "watch the gateway");
    return 0;
}

/* Not with pid 0, which would be our own process group. */
void
launcher_gateway_kill(const struct launcher *l)
{
    if (l->gateway_pid > 0)
        (void)kill(l->gateway_pid, SIGKILL);
}

void
launcher_send(struct launcher *l, struct launch_message *msg, const int *fds, unsigned n)
{
    int status;

    if (l->gateway_sock < 0)
        return;
    status = launch_send(l->gateway_sock, msg, fds, n);
    if (status == 0 || status == -EPIPE || status == -ECONNRESET)
        return; /* it is dead; its pidfd reports that */
    log_error("the gateway takes no messages (%s): killing it", strerror(-status));
    launcher_gateway_kill(l);
}

static void
close_gateway(struct launcher *l)
{
    if (l->gateway_sock >= 0)
        (void)close(take_fd(&l->gateway_sock));
    if (l->gateway_pidfd >= 0)
        (void)close(take_fd(&l->gateway_pidfd));
}

/* A gateway that served is started again however often it ends. One that ends before it serves is
 * tried a few times; on the first start, once. */
static bool
may_start_again(struct launcher *l)
{
    if (l->gateway_up)
        return true;
    return l->notified && launcher_may_restart(&l->restarts, RESTARTS_WINDOW_MS);
}

static int
start_again(struct launcher *l)
{
    struct hearth_err err = {0};

    if (!may_start_again(l)) {
        log_error(l->notified ? "the gateway keeps ending before it serves: stopping"
                              : "the gateway did not start: stopping");
        return -1;
    }
    log_info("starting the gateway again");
    l->gateway_restarts++;
    if (launcher_gateway_start(l, &err) == 0)
        return 0;
    log_error("%s", err.text);
    launcher_gateway_kill(l);
    l->gateway_pid = 0;
    return -1;
}

/* Its instances end with it: their channels were its own. They are reaped while the next gateway
 * starts. New clients wait in the queues of the listening sockets meanwhile. */
void
launcher_gateway_ended(struct launcher *l)
{
    int status = 0;

    if (waitpid(l->gateway_pid, &status, WNOHANG) != l->gateway_pid)
        return;
    l->gateway_pid = 0;
    close_gateway(l);
    launcher_children_kill(l);
    if (l->stopping) {
        l->exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : 1;
        if (!l->gateway_up)
            l->exit_status = 0; /* it was killed because it did not serve yet: see drain */
    } else {
        log_error("the gateway ended with %s %d", WIFEXITED(status) ? "status" : "signal",
                  WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
        if (start_again(l) < 0) {
            l->stopping = true;
            l->exit_status = 1;
        }
    }
    launcher_spares_clear(l);
    launcher_children_end(l);
    launcher_blanks_clear(l);
}
