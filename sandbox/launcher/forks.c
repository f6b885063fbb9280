/* forks.c: see forks.h. The template may be in the hands of its function, whose init ran in it.
 * What holds is the kernel's: its control group lets it have one process more, for this one fork;
 * the fork is known by the credentials that the kernel adds to its first message, and by being a
 * child of this process that no slot has; it is moved to its own group before it is given anything
 * to do; and as every instance it serves only once the launcher has counted its filters.
 */
#include "launcher/forks.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"
#include "clock.h"
#include "fd_passing.h"
#include "inherit.h"
#include "launcher/child.h"
#include "launcher/report.h"
#include "launcher/watch.h"
#include "launcher/zone.h"

#define BIRTH_MS 250
/* While a fork is waited for nothing else is served. What births take beyond the first figure is
 * added up for each template, which ends beyond the second. */
#define USUAL_MS 25
#define LATE_MS  500

static int
ask(const struct launcher_child *from, const struct launcher_child *c,
    const struct launcher_worker_fds *fds, struct hearth_err *err)
{
    cleanup_close int meter = launcher_open_meter(c), stat = launcher_open_stat(c);
    const char byte = INHERIT_FORK;
    int sent[INHERIT_FORK_BELLS + LIMIT_THREADS] = {
        [INHERIT_FORK_CONTROL] = fds->control_theirs,
        [INHERIT_FORK_CHANNEL] = fds->channel,
        [INHERIT_FORK_OUTPUT] = fds->log_write,
        [INHERIT_FORK_METER] = meter,
        [INHERIT_FORK_STAT] = stat,
    };
    int status;

    if (meter < 0 || stat < 0 ||
        setsockopt(fds->control_ours, SOL_SOCKET, SO_PASSCRED, &(int){1}, sizeof(int)) != 0)
        return err_set(err, errno, "prepare a fork");
    memcpy(sent + INHERIT_FORK_BELLS, fds->bells, (size_t)fds->bells_count * sizeof fds->bells[0]);
    status = fd_send(from->control, &byte, 1, sent, INHERIT_FORK_BELLS + (unsigned)fds->bells_count,
                     MSG_DONTWAIT);
    return status == 0 ? 0 : err_set(err, -status, "ask a template for a fork");
}

/* The pid, as this process sees it, of who sent the first message; or a negative errno. */
static pid_t
await_birth(const struct launcher_child *from, int control)
{
    _Alignas(struct cmsghdr) char space[CMSG_SPACE(sizeof(struct ucred))];
    struct pollfd fds[] = {{.fd = control, .events = POLLIN},
                           {.fd = from->pidfd, .events = POLLIN}};
    char byte = 0;
    struct iovec iov = {.iov_base = &byte, .iov_len = 1};
    struct msghdr msg = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof space};
    const struct cmsghdr *c;
    struct ucred who = {0};

    if (poll(fds, 2, BIRTH_MS) <= 0)
        return -ETIMEDOUT;
    if (recvmsg(control, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) != 1 || byte != INHERIT_BORN ||
        (msg.msg_flags & MSG_CTRUNC) != 0)
        return -EPROTO;
    c = CMSG_FIRSTHDR(&msg);
    if (c == NULL || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_CREDENTIALS)
        return -EPROTO;
    memcpy(&who, CMSG_DATA(c), sizeof who);
    return who.pid > 1 ? who.pid : -EPROTO;
}

static bool
is_known(const struct launcher *l, pid_t pid)
{
    if (pid == l->gateway_pid || pid == l->broker_pid || pid == l->exporter_pid)
        return true;
    for (size_t i = 0; i < sizeof l->children / sizeof l->children[0]; i++) {
        const struct launcher_child *c = &l->children[i];

        if (c->kind != LAUNCHER_FREE &&
            (c->pid == pid || (c->zone != NULL && launcher_zone_first(c->zone) == pid)))
            return true;
    }
    return false;
}

/* Takes the process as the child of slot c. */
static int
adopt(struct launcher *l, const struct launcher_child *from, struct launcher_child *c, pid_t pid,
      int control, struct hearth_err *err)
{
    const char moved = INHERIT_MOVED;
    cleanup_close int pidfd = is_known(l, pid) ? -1 : (int)syscall(SYS_pidfd_open, pid, 0);
    siginfo_t info;
    int status;

    /* a child that was not reaped keeps its number */
    if (pidfd < 0 || waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED | WNOHANG | WNOWAIT) != 0)
        return err_set(err, EPROTO, "fork a template: the sender is no new child");
    c->pid = pid;
    c->pidfd = take_fd(&pidfd);
    c->zone = from->zone;
    launcher_zone_hold(c->zone);
    if (sbx_cgroup_set_pids(from->leaf, 1, err) < 0 || sbx_cgroup_move(c->leaf, pid, err) < 0)
        return err->code;
    status = fd_send(control, &moved, 1, NULL, 0, MSG_DONTWAIT);
    return status == 0 ? 0 : err_set(err, -status, "tell a fork that it was moved");
}

static pid_t
parent_of(pid_t pid)
{
    char path[32], line[256] = "";
    cleanup_file FILE *file = NULL;
    const char *end;
    int parent = 0;

    (void)snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    file = fopen(path, "re");
    if (file != NULL)
        (void)!fgets(line, sizeof line, file);
    end = strrchr(line, ')');
    if (end != NULL)
        (void)sscanf(end + 1, " %*c %d", &parent);
    return parent;
}

/* After a template has failed: a process that it forked and that did not report is a child of this
 * one that no slot has, alive or not. */
static void
end_strays(const struct launcher *l)
{
    cleanup_dir DIR *proc = opendir("/proc");
    const struct dirent *e;
    pid_t own = getpid();

    while (proc != NULL && (e = readdir(proc)) != NULL) {
        pid_t pid = (pid_t)strtol(e->d_name, NULL, 10);

        if (pid <= 1 || parent_of(pid) != own || is_known(l, pid))
            continue;
        (void)kill(pid, SIGKILL);
        (void)waitpid(pid, NULL, 0);
    }
}

/* The private memory of a process that no file is behind: what its init has filled. */
static int
read_ranges(pid_t pid, struct inherit_ranges *ranges)
{
    char path[32], line[512], rights[8];
    cleanup_file FILE *maps = NULL;

    (void)snprintf(path, sizeof path, "/proc/%d/maps", (int)pid);
    maps = fopen(path, "re");
    if (maps == NULL)
        return -errno;
    while (ranges->count < INHERIT_RANGES_MOST && fgets(line, sizeof line, maps) != NULL) {
        uint64_t from, to, inode;

        if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %7s %*x %*x:%*x %" SCNu64, &from, &to, rights,
                   &inode) != 4 ||
            strcmp(rights, "rw-p") != 0 || inode != 0 || strstr(line, "[stack]") != NULL)
            continue;
        ranges->range[ranges->count].from = from;
        ranges->range[ranges->count].to = to;
        ranges->count++;
    }
    return 0;
}

int
launcher_send_ranges(const struct launcher_child *c, struct hearth_err *err)
{
    struct inherit_ranges ranges = {.type = INHERIT_RANGES};
    int status = read_ranges(c->pid, &ranges);

    if (status == 0)
        status = fd_send(c->control, &ranges, sizeof ranges, NULL, 0, MSG_DONTWAIT);
    return status == 0 ? 0 : err_set(err, -status, "tell a template where its memory is");
}

/* A fork in its place, that waits to be told so. If this fails, the caller calls launcher_drop for
 * c and closes fds. */
static int
make(struct launcher *l, struct launcher_child *from, const struct sbx_cgroup_limits *limits,
     struct launcher_child *c, struct launcher_worker_fds *fds, struct hearth_err *err)
{
    struct launcher_recipe recipe = {.limits = *limits};
    int64_t took = 0;
    int status;
    pid_t pid;

    recipe.limits.pids = 1;
    status = launcher_prepare_worker(l, &recipe, c, fds, err);
    if (status < 0)
        return status; /* the template has no part in it */
    status = sbx_cgroup_set_pids(from->leaf, 2, err);
    if (status == 0)
        status = ask(from, c, fds, err);
    if (status == 0) {
        int64_t begun = clock_ms();

        pid = await_birth(from, fds->control_ours);
        took = clock_ms() - begun;
        status = pid > 0 ? adopt(l, from, c, pid, fds->control_ours, err)
                         : err_set(err, -pid, "fork a template: no fork has come");
    }
    if (took > USUAL_MS)
        from->late_ms += took - USUAL_MS;
    if (from->late_ms > LATE_MS) {
        launcher_log_error(l, "the forks of template %" PRIu64 " take too long: killing it",
                           from->id);
        launcher_kill_child(from);
    }
    if (status == 0) {
        status = launcher_watch(l, c->pidfd, LAUNCHER_TAG_CHILD + launcher_slot_of(l, c));
        return status == 0 ? 0 : err_set(err, -status, "watch a worker");
    }
    launcher_kill_child(from);
    end_strays(l);
    return status;
}

/* ---- spares ---- */

#define REFILL_MS 5    /* after a fork, so as not to slow it down */
#define RETRY_MS  1000 /* after a spare that has died */

struct launcher_spare {
    struct launcher_child *child; /* NULL: there is none now */
    struct launcher_worker_fds fds;
    struct sbx_cgroup_limits limits;
    int64_t next_ms;
};

static void
forget(struct launcher_spare *spare, int64_t wait_ms)
{
    spare->child = NULL;
    launcher_worker_fds_close(&spare->fds);
    spare->fds = (struct launcher_worker_fds)LAUNCHER_NO_FDS;
    spare->next_ms = clock_ms() + wait_ms;
}

static void
spare_ended(struct launcher *l, struct launcher_child *c, const siginfo_t *info)
{
    (void)info;
    for (uint32_t i = 0; i < l->workers_top; i++)
        if (l->children[i].spare != NULL && l->children[i].spare->child == c)
            forget(l->children[i].spare, RETRY_MS);
}

void
launcher_spare_end(struct launcher *l, struct launcher_child *from)
{
    struct launcher_spare *spare = from->spare;

    if (spare == NULL)
        return;
    from->spare = NULL;
    l->spares--;
    if (spare->child != NULL)
        launcher_drop(l, spare->child);
    launcher_worker_fds_close(&spare->fds);
    free(spare);
}

void
launcher_spares_clear(struct launcher *l)
{
    for (uint32_t i = 0; i < l->workers_top && l->spares > 0; i++)
        launcher_spare_end(l, &l->children[i]);
}

static void
make_spare(struct launcher *l, struct launcher_child *from)
{
    struct launcher_spare *spare = from->spare;
    struct launcher_child *c = launcher_take_slot(l, LAUNCHER_BLANK, 0, spare_ended);
    struct hearth_err err = {0};

    if (c == NULL) {
        spare->next_ms = clock_ms() + RETRY_MS; /* all slots are in use */
        return;
    }
    if (make(l, from, &spare->limits, c, &spare->fds, &err) < 0) {
        launcher_log_error(l, "a spare fork could not be made: %s", err.text);
        launcher_drop(l, c);
        forget(spare, RETRY_MS);
        return;
    }
    spare->child = c;
}

int
launcher_spares_fill(struct launcher *l)
{
    int64_t now = clock_ms(), next = INT64_MAX;

    if (l->spares == 0 || l->stopping)
        return -1;
    for (uint32_t i = 0; i < l->workers_top; i++) {
        const struct launcher_spare *spare = l->children[i].spare;

        if (spare == NULL || spare->child != NULL)
            continue;
        if (spare->next_ms <= now) {
            make_spare(l, &l->children[i]);
            return 0;
        }
        next = spare->next_ms < next ? spare->next_ms : next;
    }
    return next == INT64_MAX ? -1 : (int)(next - now);
}

/* The spare, if there is one that lives. */
static struct launcher_child *
take_spare(struct launcher *l, struct launcher_child *from, const struct sbx_cgroup_limits *limits,
           struct launcher_worker_fds *fds, struct hearth_err *err)
{
    struct launcher_spare *spare = from->spare;
    struct launcher_child *c = spare->child;

    if (c == NULL)
        return NULL;
    if (poll(&(struct pollfd){.fd = c->pidfd, .events = POLLIN}, 1, 0) != 0 ||
        sbx_cgroup_set(c->leaf, limits, err) < 0) {
        launcher_drop(l, c);
        forget(spare, RETRY_MS);
        return NULL;
    }
    *fds = spare->fds;
    spare->fds = (struct launcher_worker_fds)LAUNCHER_NO_FDS;
    forget(spare, REFILL_MS);
    return c;
}

/* From its first fork on, a template keeps one. */
static int
keep_spare(struct launcher *l, struct launcher_child *from, const struct sbx_cgroup_limits *limits,
           struct hearth_err *err)
{
    if (from->spare == NULL) {
        from->spare = malloc(sizeof *from->spare);
        if (from->spare == NULL)
            return err_set(err, ENOMEM, "keep a spare fork");
        *from->spare = (struct launcher_spare){.fds = LAUNCHER_NO_FDS};
        l->spares++;
    }
    from->spare->limits = *limits;
    from->spare->next_ms = clock_ms() + REFILL_MS;
    return 0;
}

int
launcher_fork_settle(struct launcher_child *c)
{
    struct hearth_err err = {0};
    uint32_t pids = c->pids_later;

    c->pids_later = 0;
    return pids > 0 ? sbx_cgroup_set_pids(c->leaf, pids, &err) : 0;
}

struct launcher_child *
launcher_fork(struct launcher *l, struct launcher_child *from, const struct launcher_recipe *recipe,
              uint64_t id, launcher_ended_fn *ended, int broker, struct launcher_worker_fds *fds,
              struct hearth_err *err)
{
    const char placed = INHERIT_PLACED;
    struct launcher_child *c;

    if (keep_spare(l, from, &recipe->limits, err) < 0)
        return NULL;
    c = take_spare(l, from, &recipe->limits, fds, err);
    if (c == NULL) {
        c = launcher_take_slot(l, LAUNCHER_BLANK, 0, ended);
        if (c == NULL) {
            (void)err_set(err, EAGAIN, "there are %d instances already", LIMIT_INSTANCES);
            return NULL;
        }
        if (make(l, from, &recipe->limits, c, fds, err) < 0) {
            launcher_drop(l, c);
            return NULL;
        }
    }
    c->kind = LAUNCHER_WORKER;
    c->ended = ended;
    c->id = id;
    if (fd_send(fds->control_ours, &placed, 1, &broker, broker >= 0, MSG_DONTWAIT) < 0)
        launcher_kill_child(c); /* it has died: that is reported */
    return c;
}
