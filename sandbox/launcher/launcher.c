/* launcher.c: the privileged loop: signals, the gateway and its requests, the
 * ends of children. It alone holds root, the listening sockets and the tree of
 * control groups; it outlives any gateway and takes every child with it.
 */
#include "launcher/launcher.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/close_range.h>
#include <linux/limits.h>
#include <pwd.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include <unistd.h>

#include "cleanup.h"
#include "filter.h"
#include "landlock.h"
#include "log.h"
#include "signals.h"

#define COMPLAIN_MS        1000
#define RESTARTS_MAX       5
#define RESTARTS_WINDOW_MS 10000
#define DESCRIPTORS_WANTED 65536
#define DESCRIPTORS_LEAST  512
#define DESCRIPTORS_KEPT   128 /* listeners, filters, a sandbox in the making */
#define GATEWAY_FD_SOCK    3
#define GATEWAY_FD_FIRST   4

int64_t
launcher_now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void
launcher_complain(struct launcher *l, const char *fmt, ...)
{
    int64_t now = launcher_now_ms();
    char text[256], left_out[64] = "";
    va_list ap;

    if (l->complained_ms != 0 && now - l->complained_ms < COMPLAIN_MS) {
        l->uncomplained++;
        return;
    }
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (l->uncomplained > 0)
        (void)snprintf(left_out, sizeof left_out, " (%u lines like it were left out before)",
                       l->uncomplained);
    log_error("%s%s", text, left_out);
    l->uncomplained = 0;
    l->complained_ms = now;
}

int
launcher_watch(struct launcher *l, int fd, uint64_t tag)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = tag};

    return epoll_ctl(l->epoll, EPOLL_CTL_ADD, fd, &event) == 0 ? 0 : -errno;
}

/* ---- the walls of the daemon's life ---- */

static int
make_folder(const char *path, mode_t mode)
{
    char part[PATH_MAX];

    for (const char *p = strchr(path + 1, '/'); p != NULL; p = strchr(p + 1, '/')) {
        (void)snprintf(part, sizeof part, "%.*s", (int)(p - path), path);
        if (mkdir(part, 0755) != 0 && errno != EEXIST)
            return -errno;
    }
    return mkdir(path, mode) == 0 || errno == EEXIST ? 0 : -errno;
}

static void
choose_user(struct launcher *l)
{
    struct passwd *user = getpwnam("hearth");

    l->gateway_uid = user != NULL ? user->pw_uid : LAUNCHER_UID_GATEWAY;
    l->gateway_gid = user != NULL ? user->pw_gid : LAUNCHER_UID_GATEWAY;
    if (user == NULL)
        log_info("this host has no user \"hearth\": the gateway runs as user %u",
                 LAUNCHER_UID_GATEWAY);
}

static int
open_state(struct launcher *l, struct hearth_err *err)
{
    const char *path = l->options.state;
    struct statvfs fs;
    cleanup_close int lock = -1;
    int status = make_folder(path, 0700);

    if (status < 0)
        return err_set(err, -status, "make the state folder %s", path);
    l->state_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (l->state_fd < 0 || fstatvfs(l->state_fd, &fs) != 0)
        return err_set(err, errno, "open the state folder %s", path);
    if ((fs.f_flag & ST_NOEXEC) != 0)
        return err_set(err, EACCES, "the state folder %s is on a file system mounted noexec", path);
    /* root's, and sticky: the gateway makes its own things in it, and can neither
     * remove nor rename the jail and the lock */
    if (fchown(l->state_fd, 0, l->gateway_gid) != 0 || fchmod(l->state_fd, 01770) != 0)
        return err_set(err, errno, "give the state folder %s to the gateway's group", path);
    lock = openat(l->state_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (lock < 0 || flock(lock, LOCK_EX | LOCK_NB) != 0)
        return err_set(err, errno, "lock the state folder %s (does another hearthd use it?)", path);
    (void)take_fd(&lock); /* held until the process ends */
    return 0;
}

/* Once more, in our own mount namespace: a descriptor from the host's could not be
 * the source of a mount here. */
static int
reopen_state(struct launcher *l, struct hearth_err *err)
{
    int fd = open(l->options.state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return err_set(err, errno, "open the state folder %s again", l->options.state);
    (void)close(l->state_fd);
    l->state_fd = fd;
    return 0;
}

static int
open_program(const char *prefix, const char *name, int *fd, struct hearth_err *err)
{
    char path[PATH_MAX];

    (void)snprintf(path, sizeof path, "%s/libexec/hearth/%s", prefix, name);
    *fd = open(path, O_PATH | O_CLOEXEC);
    return *fd < 0 ? err_set(err, errno, "find %s", path) : 0;
}

/* PREFIX/libexec/hearth/hearth-launcher gives PREFIX. */
static int
find_prefix(struct launcher *l, struct hearth_err *err)
{
    char path[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);

    if (n < 0)
        return err_set(err, errno, "find this program");
    path[n] = '\0';
    for (int i = 0; i < 3; i++) {
        char *slash = strrchr(path, '/');

        if (slash == NULL)
            return err_set(err, ENOENT, "find the folder that Hearth is installed in");
        *slash = '\0';
    }
    if (strlen(path) >= sizeof l->prefix)
        return err_set(err, ENAMETOOLONG, "%s", path);
    memcpy(l->prefix, path, strlen(path) + 1);
    return 0;
}

static void drain(struct launcher *l);
static void reload(struct launcher *l);
static void reopen_log(struct launcher *l);

/* What is acted on; signals_settle says what becomes of the others. */
static const struct {
    uint32_t number;
    void (*act)(struct launcher *l);
} acts[] = {
    {SIGTERM, drain}, {SIGINT, drain}, {SIGQUIT, drain}, {SIGHUP, reload}, {SIGUSR1, reopen_log},
};

static int
open_signals(struct launcher *l, struct hearth_err *err)
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

static int
open_sockets(struct launcher *l, struct hearth_err *err)
{
    int status;

    if (sscanf(l->options.blanks, "%u:%u", &l->blanks.min, &l->blanks.max) != 2 ||
        l->blanks.min > l->blanks.max || l->blanks.max > LAUNCHER_BLANKS)
        return err_set(err, EINVAL, "blanks: 0 to %d", LAUNCHER_BLANKS);
    if (sscanf(l->options.build, "%" SCNd64 ":%" SCNu64, &l->build_ms, &l->build_bytes) != 2)
        return err_set(err, EINVAL, "want the time and memory of a build");
    l->threads = l->options.threads != NULL ? atoi(l->options.threads) : 1;
    if (l->threads < 1 || l->threads > LIMIT_THREADS)
        return err_set(err, EINVAL, "threads: 1 to %d", LIMIT_THREADS);
    /* a unix socket cannot be bound twice: the gateway's first loop accepts for all */
    l->listeners_count = strncmp(l->options.listen, "unix:", 5) == 0 ? 1 : l->threads;
    status =
        launcher_bind(l->options.listen, l->listeners_count, l->listeners, &l->listen_file, err);
    l->admin_listener = -1;
    if (status == 0 && l->options.admin != NULL)
        status = launcher_bind(l->options.admin, 1, &l->admin_listener, &l->admin_file, err);
    return status;
}

/* Many instances mean many descriptors, here and in the gateway. */
static int
raise_descriptors(struct hearth_err *err)
{
    struct rlimit lim, wider;

    if (getrlimit(RLIMIT_NOFILE, &lim) != 0)
        return err_set(err, errno, "ask for the limit of open files");
    lim.rlim_cur = lim.rlim_max;
    wider = lim;
    if (wider.rlim_max < DESCRIPTORS_WANTED)
        wider.rlim_cur = wider.rlim_max = DESCRIPTORS_WANTED;
    /* a container may not be allowed to raise it: then as far as it goes */
    if (setrlimit(RLIMIT_NOFILE, &wider) != 0 && setrlimit(RLIMIT_NOFILE, &lim) != 0)
        log_warning("the limit of open files could not be raised");
    if (getrlimit(RLIMIT_NOFILE, &lim) == 0 && lim.rlim_cur < DESCRIPTORS_LEAST)
        return err_set(err, EMFILE, "at least %d open files must be allowed (ulimit -n), not %llu",
                       DESCRIPTORS_LEAST, (unsigned long long)lim.rlim_cur);
    return 0;
}

/* So many that descriptors are left to make a sandbox with: a leaf that was made stays. */
static uint32_t
leaves_most(const struct launcher *l)
{
    struct rlimit files = {.rlim_cur = DESCRIPTORS_LEAST};
    uint64_t kept = DESCRIPTORS_KEPT + (uint64_t)l->blanks.max * (uint64_t)(10 + l->threads), most;

    (void)getrlimit(RLIMIT_NOFILE, &files);
    most = files.rlim_cur > kept ? (files.rlim_cur - kept) / (SBX_LEAF_FDS + 2) : 1;
    return most < LIMIT_INSTANCES + LAUNCHER_BUILDS ? (uint32_t)most
                                                    : LIMIT_INSTANCES + LAUNCHER_BUILDS;
}

static int
open_empty(struct launcher *l, struct hearth_err *err)
{
    l->empty = memfd_create("hearth-empty", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (l->empty < 0 ||
        fcntl(l->empty, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) != 0)
        return err_set(err, errno, "make an empty file");
    return 0;
}

static void
say_walls(const struct launcher *l)
{
    int abi = sbx_landlock_abi();
    char landlock[48] = "";

    if (abi > 0)
        (void)snprintf(landlock, sizeof landlock, ", landlock (ABI %d)", abi);
    log_info("walls up: cgroups (%s), namespaces, users, seccomp%s", l->tree.ops->kind, landlock);
    if (abi == 0)
        log_warning("this kernel has no Landlock: files are kept from functions by the mount "
                    "namespace alone");
}

int
launcher_open(struct launcher *l, struct hearth_err *err)
{
    int status = open_signals(l, err); /* first: a signal that comes early ends nothing either */

    if (status < 0)
        return status;
    if (geteuid() != 0)
        return err_set(err, EPERM,
                       "hearthd must be started as root: only root can raise the "
                       "walls \"user\", \"namespaces\" and \"cgroup\"");
    l->life = (int)syscall(SYS_pidfd_open, getpid(), 0);
    l->null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (l->life < 0 || l->null < 0)
        return err_set(err, errno, "open a pidfd and /dev/null");
    l->gateway_pidfd = l->gateway_sock = -1;
    choose_user(l);
    launcher_children_init(l);
    l->filters_above = launcher_count_filters(getpid());
    if (l->filters_above < 0)
        return err_set(err, ENOTSUP,
                       "wall \"seccomp\": /proc/PID/status does not say Seccomp_filters (it does "
                       "from Linux 5.9 on)");
    status = raise_descriptors(err);
    if (status == 0)
        status = open_empty(l, err);
    if (status == 0)
        status = find_prefix(l, err);
    if (status == 0)
        status = open_program(l->prefix, "hearth-worker", &l->worker_program, err);
    if (status == 0)
        status = open_program(l->prefix, "hearth-builder", &l->builder_program, err);
    if (status == 0)
        status = open_state(l, err);
    if (status == 0)
        status = open_sockets(l, err);
    if (status == 0)
        status = sbx_jail_make(l->options.state, l->prefix, &l->jail, err);
    if (status == 0)
        status = reopen_state(l, err);
    if (status == 0)
        status = sbx_filter_worker_file(&(struct sbx_wider){0}, &l->filters, err);
    if (status == 0) {
        status = sbx_cgroup_tree_open(&l->tree, leaves_most(l), err);
        if (status < 0)
            (void)err_prefix(err, "wall \"cgroup\"");
    }
    if (status == 0)
        say_walls(l);
    return status;
}

void
launcher_close(struct launcher *l)
{
    launcher_children_end(l);
    if (l->tree.ops != NULL)
        sbx_cgroup_tree_close(&l->tree);
    launcher_unbind(&l->admin_file);
    launcher_unbind(&l->listen_file);
}

/* ---- the gateway ---- */

/* Argument list of the gateway: what it inherits, then the user's options. */
static void
gateway_argv(const struct launcher *l, char **argv, char text[][32])
{
    int n = 0;

    argv[n++] = (char *)"hearth-gateway";
    (void)snprintf(text[0], 32, "--listeners=%d", l->listeners_count);
    argv[n++] = text[0];
    (void)snprintf(text[1], 32, "--admin-listener=%d", l->admin_listener >= 0);
    argv[n++] = text[1];
    (void)snprintf(text[2], 32, "--uid=%u", (unsigned)l->gateway_uid);
    argv[n++] = text[2];
    (void)snprintf(text[3], 32, "--gid=%u", (unsigned)l->gateway_gid);
    argv[n++] = text[3];
    (void)snprintf(text[4], 32, "--memory=%llu", (unsigned long long)sbx_cgroup_offered(&l->tree));
    argv[n++] = text[4];
    for (int i = 0; i < l->options.gateway_args_count; i++)
        argv[n++] = l->options.gateway_args[i];
    argv[n] = NULL;
}

static int
place_gateway_fds(const struct launcher *l, int sock)
{
    int from[LIMIT_THREADS + 2], n = 0;

    from[n++] = sock;
    for (int i = 0; i < l->listeners_count; i++)
        from[n++] = l->listeners[i];
    if (l->admin_listener >= 0)
        from[n++] = l->admin_listener;
    for (int i = 0; i < n; i++)
        if ((from[i] = fcntl(from[i], F_DUPFD_CLOEXEC, 256)) < 0)
            return -errno;
    for (int i = 0; i < n; i++)
        if (dup2(from[i], GATEWAY_FD_SOCK + i) < 0)
            return -errno;
    /* ours are close-on-exec; what hearthd was started with may not be */
    if (syscall(SYS_close_range, GATEWAY_FD_SOCK + n, ~0U, CLOSE_RANGE_CLOEXEC) != 0)
        return -errno;
    return 0;
}

/* Its signals stay blocked until it has said what it does about them: one that is sent to the
 * whole group meanwhile must not end it. */
static _Noreturn void
gateway_child(const struct launcher *l, int sock)
{
    char text[5][32];
    cleanup_free char **argv = calloc((size_t)l->options.gateway_args_count + 7, sizeof *argv);
    char path[PATH_MAX];
    struct hearth_err err = {0};
    int status = argv == NULL ? err_set(&err, ENOMEM, "start the gateway") : 0;

    if (status == 0)
        status = sbx_jail_leave_out(&l->jail, &err);
    if (status == 0 && place_gateway_fds(l, sock) < 0)
        status = err_set(&err, errno, "hand the gateway its descriptors");
    if (status == 0) {
        gateway_argv(l, argv, text);
        (void)snprintf(path, sizeof path, "%s/libexec/hearth/hearth-gateway", l->prefix);
        (void)execv(path, argv);
        (void)err_set(&err, errno, "execute %s", path);
    }
    log_error("%s", err.text);
    _exit(1);
}

static int
start_gateway(struct launcher *l, struct hearth_err *err)
{
    struct timeval patience = {.tv_sec = 5};
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        return err_set(err, errno, "make a socket pair");
    l->gateway_pid = fork();
    if (l->gateway_pid == 0)
        gateway_child(l, pair[1]);
    (void)close(pair[1]);
    l->gateway_sock = pair[0];
    if (l->gateway_pid < 0)
        return err_set(err, errno, "start the gateway");
    /* a gateway that does not read any more must not hold the launcher up */
    (void)setsockopt(pair[0], SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    l->gateway_pidfd = (int)syscall(SYS_pidfd_open, l->gateway_pid, 0);
    l->gateway_up = false;
    if (l->gateway_pidfd < 0 || launcher_watch(l, l->gateway_sock, LAUNCHER_TAG_GATEWAY) < 0 ||
        launcher_watch(l, l->gateway_pidfd, LAUNCHER_TAG_GATEWAY_END) < 0)
        return err_set(err, errno, "watch the gateway");
    return 0;
}

/* Never with 0 for a pid, which would mean our own group. */
static void
kill_gateway(const struct launcher *l)
{
    if (l->gateway_pid > 0)
        (void)kill(l->gateway_pid, SIGKILL);
}

void
launcher_tell(struct launcher *l, struct launch_message *msg, const int *fds, unsigned n)
{
    int status;

    if (l->gateway_sock < 0)
        return;
    status = launch_send(l->gateway_sock, msg, fds, n);
    if (status == 0 || status == -EPIPE || status == -ECONNRESET)
        return; /* a dead gateway is noticed by its pidfd */
    log_error("the gateway takes no messages (%s): ending it", strerror(-status));
    kill_gateway(l);
}

static void
close_gateway(struct launcher *l)
{
    if (l->gateway_sock >= 0)
        (void)close(take_fd(&l->gateway_sock));
    if (l->gateway_pidfd >= 0)
        (void)close(take_fd(&l->gateway_pidfd));
}

/* A gateway that dies takes its instances with it and is started again; one that
 * keeps dying takes the daemon with it. */
static void
on_gateway_end(struct launcher *l)
{
    int64_t now = launcher_now_ms();
    struct hearth_err err = {0};
    int status = 0;

    if (waitpid(l->gateway_pid, &status, WNOHANG) != l->gateway_pid)
        return;
    close_gateway(l);
    launcher_children_end(l);
    if (l->stopping) {
        l->exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : 1;
        if (!l->gateway_up)
            l->exit_status = 0; /* told to stop before it served: it was ended, see drain */
        l->gateway_pid = 0;
        return;
    }
    log_error("the gateway ended with %s %d", WIFEXITED(status) ? "status" : "signal",
              WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
    if (now - l->restarts_since_ms > RESTARTS_WINDOW_MS) {
        l->restarts = 0;
        l->restarts_since_ms = now;
    }
    if (++l->restarts > RESTARTS_MAX || (!l->gateway_up && !l->notified)) {
        log_error("the gateway does not stay up: giving up");
        l->stopping = true;
        l->exit_status = 1;
        l->gateway_pid = 0;
        return;
    }
    log_info("starting the gateway again");
    if (start_gateway(l, &err) < 0) {
        log_error("%s", err.text);
        l->stopping = true;
        l->exit_status = 1;
        l->gateway_pid = 0;
    }
}

static void
on_gateway_up(struct launcher *l)
{
    l->gateway_up = true;
    if (!l->notified)
        (void)sd_notify(0, "READY=1");
    l->notified = true;
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
        case LAUNCH_BUILD:
            launcher_build(l, &msg);
            return;
        default:
            break;
        }
    }
    /* the end of its socket, or what it may not send: it is dead or worth ending */
    if (got != 0 && got != -ECONNRESET)
        log_error("the gateway sent what it may not send: ending it");
    (void)epoll_ctl(l->epoll, EPOLL_CTL_DEL, l->gateway_sock, NULL);
    if (!l->stopping)
        kill_gateway(l);
}

/* ---- signals ---- */

static void
drain(struct launcher *l)
{
    struct launch_message msg = {.type = LAUNCH_DRAIN};

    if (l->stopping) {
        log_info("told to stop again: stopping at once");
        kill_gateway(l);
        return;
    }
    log_info("stopping: running calls may finish");
    l->stopping = true;
    (void)sd_notify(0, "STOPPING=1");
    if (l->gateway_up)
        launcher_tell(l, &msg, NULL, 0);
    else
        kill_gateway(l);
}

static void
reload(struct launcher *l)
{
    struct launch_message msg = {.type = LAUNCH_RELOAD};
    cleanup_close int fd = -1;

    if (l->options.config == NULL) {
        log_warning("told to read the configuration again, but there is no file");
        return;
    }
    fd = open(l->options.config, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        log_error("open %s: %s", l->options.config, strerror(errno));
    else
        launcher_tell(l, &msg, &fd, 1);
}

/* For whoever rotates logs by habit. */
static void
reopen_log(struct launcher *l)
{
    (void)l;
    log_info("told to open the log again: it goes to standard error, there is no file to open");
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
        on_gateway_end(l);
    else if (tag >= LAUNCHER_TAG_CHILD)
        launcher_child_ended(l, (uint32_t)(tag - LAUNCHER_TAG_CHILD));
}

/* Of two waits in milliseconds, of which -1 is for ever. */
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

    if (start_gateway(l, &err) < 0) {
        log_error("%s", err.text);
        return 1;
    }
    while (l->gateway_pid > 0) {
        struct epoll_event events[32];
        int build_ms = launcher_builds_check(l);
        int n = epoll_wait(l->epoll, events, 32, sooner(build_ms, blank_ms));

        if (n < 0 && errno != EINTR) {
            log_error("epoll_wait: %s", strerror(errno));
            return 1;
        }
        for (int i = 0; i < n; i++)
            on_event(l, events[i].data.u64);
        blank_ms = n > 0 ? 1 : launcher_blanks_fill(l); /* when nothing else is to be done */
    }
    return l->exit_status;
}
