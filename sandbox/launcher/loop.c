/* loop.c: the privileged loop: signals, the gateway's requests, the ends of children. */
#include "launcher/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "cleanup.h"
#include "clock.h"
#include "launcher/beat.h"
#include "launcher/blanks.h"
#include "launcher/broker.h"
#include "launcher/builds.h"
#include "launcher/child.h"
#include "launcher/exporter.h"
#include "launcher/forks.h"
#include "launcher/gateway.h"
#include "launcher/instances.h"
#include "launcher/watch.h"
#include "log.h"
#include "signals.h"

/* ---- the gateway's messages ---- */

static void
on_gateway_up(struct launcher *l)
{
    l->gateway_up = true;
    launcher_beat_reset(l);
    if (!l->notified || l->reloaded_by != 0)
        (void)sd_notify(0, "READY=1");
    l->notified = true;
    l->reloaded_by = 0;
}

static void
on_gateway_message(struct launcher *l)
{
    struct launch_message msg;
    unsigned n = 0;
    int got = launch_receive(l->gateway_sock, &msg, NULL, &n);

    if (got == -EAGAIN)
        return;
    if (got == 1) {
        switch (msg.type) {
        case LAUNCH_UP:
            on_gateway_up(l);
            return;
        case LAUNCH_START:
            launcher_start(l, &msg);
            return;
        case LAUNCH_KILL:
            launcher_kill(l, &msg);
            return;
        case LAUNCH_LIMIT:
            launcher_limit(l, &msg);
            return;
        case LAUNCH_CHECK:
            launcher_check(l, &msg);
            return;
        case LAUNCH_CUT:
            launcher_cut_instance(l, &msg);
            return;
        case LAUNCH_BUILD:
            launcher_build(l, &msg);
            return;
        case LAUNCH_ALIVE:
            launcher_on_alive(l, &msg);
            return;
        default:
            break;
        }
    }
    /* the end of its socket, or a message that it may not send: kill it, if it is not dead */
    if (got != 0 && got != -ECONNRESET)
        log_error("the gateway sent an invalid message: killing it");
    (void)epoll_ctl(l->epoll, EPOLL_CTL_DEL, l->gateway_sock, NULL);
    if (!l->stopping)
        launcher_gateway_kill(l);
}

/* ---- signals ---- */

static void
drain(struct launcher *l)
{
    struct launch_message msg = {.type = LAUNCH_DRAIN};

    if (l->stopping) {
        log_info("second signal to stop: stopping at once");
        launcher_gateway_kill(l);
        return;
    }
    log_info("stopping: running calls may finish");
    l->stopping = true;
    (void)sd_notify(0, "STOPPING=1");
    if (l->gateway_up)
        launcher_send(l, &msg, NULL, 0);
    else
        launcher_gateway_kill(l);
}

static int
open_to_reload(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        log_error("open %s: %s", path, strerror(errno));
    return fd;
}

/* The gateway cannot open the files: it is given their descriptors. */
static void
reload(struct launcher *l)
{
    const struct launcher_options *options = &l->options;
    struct launch_message msg = {.type = LAUNCH_RELOAD};
    cleanup_close int config = -1, cert = -1, key = -1;
    int fds[3];
    unsigned n = 0;

    if (options->config != NULL && (config = open_to_reload(options->config)) >= 0) {
        msg.id |= LAUNCH_RELOAD_CONFIG;
        fds[n++] = config;
    }
    if (options->tls_cert != NULL && options->tls_key != NULL &&
        (cert = open_to_reload(options->tls_cert)) >= 0 &&
        (key = open_to_reload(options->tls_key)) >= 0) {
        msg.id |= LAUNCH_RELOAD_TLS;
        fds[n++] = cert;
        fds[n++] = key;
    }
    launcher_send(l, &msg, fds, n);
    if (!l->gateway_up || !l->notified || l->stopping)
        return;
    (void)sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%lld", (long long)(clock_ns() / 1000));
    l->reloaded_by = launcher_ask(l);
}

/* For scripts that rotate logs. */
static void
reopen_log(struct launcher *l)
{
    (void)l;
    log_info("signal to reopen the log: it goes to standard error, there is no file");
}

/* The signals that are acted on; signals_settle sets the others. */
static const struct {
    uint32_t number;
    void (*act)(struct launcher *l);
} acts[] = {
    {SIGTERM, drain}, {SIGINT, drain}, {SIGQUIT, drain}, {SIGHUP, reload}, {SIGUSR1, reopen_log},
};

int
launcher_loop_open(struct launcher *l, struct hearth_err *err)
{
    sigset_t set;
    int status;

    (void)sigemptyset(&set);
    for (size_t i = 0; i < sizeof acts / sizeof acts[0]; i++)
        (void)sigaddset(&set, (int)acts[i].number);
    status = signals_settle(&set, err);
    if (status < 0)
        return status;
    l->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    l->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (l->signals < 0 || l->epoll < 0 || launcher_watch(l, l->signals, LAUNCHER_TAG_SIGNALS) < 0)
        return err_set(err, errno, "watch signals");
    return 0;
}

static void
on_signal(struct launcher *l)
{
    struct signalfd_siginfo info;

    while (read(l->signals, &info, sizeof info) == (ssize_t)sizeof info) {
        for (size_t i = 0; i < sizeof acts / sizeof acts[0]; i++)
            if (acts[i].number == info.ssi_signo)
                acts[i].act(l);
    }
}

/* ---- the loop ---- */

static void
on_event(struct launcher *l, uint64_t tag)
{
    if (tag == LAUNCHER_TAG_SIGNALS)
        on_signal(l);
    else if (tag == LAUNCHER_TAG_GATEWAY && l->gateway_sock >= 0)
        on_gateway_message(l);
    else if (tag == LAUNCHER_TAG_GATEWAY_END && l->gateway_pidfd >= 0)
        launcher_gateway_ended(l);
    else if (tag == LAUNCHER_TAG_BROKER && l->broker_pidfd >= 0)
        launcher_broker_ended(l);
    else if (tag == LAUNCHER_TAG_EXPORTER && l->exporter_pidfd >= 0)
        launcher_exporter_ended(l);
    else if (tag >= LAUNCHER_TAG_CHILD)
        launcher_child_ended(l, (uint32_t)(tag - LAUNCHER_TAG_CHILD));
}

/* The shorter of two waits in milliseconds; -1 is no limit. */
static int
sooner(int a, int b)
{
    return a < 0 || (b >= 0 && b < a) ? b : a;
}

int
launcher_run(struct launcher *l)
{
    struct hearth_err err = {0};
    int blank_ms = 0;

    if (launcher_exporter_open(l, &err) < 0 || launcher_gateway_start(l, &err) < 0) {
        log_error("%s", err.text);
        return 1;
    }
    while (l->gateway_pid > 0) {
        struct epoll_event events[32];
        int build_ms = launcher_builds_check(l);
        int beat_ms = sooner(launcher_beat(l), launcher_broker_beat(l));
        int wait_ms = sooner(sooner(build_ms, blank_ms), beat_ms);
        int n = epoll_wait(l->epoll, events, 32, wait_ms);

        if (n < 0 && errno != EINTR) {
            log_error("epoll_wait: %s", strerror(errno));
            return 1;
        }
        for (int i = 0; i < n; i++)
            on_event(l, events[i].data.u64);
        /* only when idle */
        blank_ms = n > 0 ? 1 : sooner(launcher_blanks_fill(l), launcher_spares_fill(l));
    }
    launcher_exporter_close(l);
    launcher_broker_close(l);
    return l->exit_status;
}
