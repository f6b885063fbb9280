/* instances.c: what the gateway asks about instances: to start, end, limit and check one; and
 * the report of its end. */
#include "launcher/instances.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/mount.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"
#include "inherit.h"
#include "launcher/blanks.h"
#include "launcher/broker.h"
#include "launcher/child.h"
#include "launcher/cut.h"
#include "launcher/extra_filters.h"
#include "launcher/forks.h"
#include "launcher/gateway.h"
#include "launcher/report.h"
#include "launcher/shortage.h"
#include "launcher/spawn.h"
#include "launcher/worker.h"
#include "python_paths.h"
#include "state_paths.h"

/* Client libraries look up names in threads, also where the function has no threads of its own. */
#define RESOLVER_THREADS 3

static struct launcher_child *
find(struct launcher *l, uint64_t id)
{
    for (uint32_t i = 0; i < l->workers_top; i++)
        if (l->children[i].kind == LAUNCHER_WORKER && l->children[i].id == id)
            return &l->children[i];
    return NULL;
}

static void
send_not_isolated(struct launcher *l, uint64_t id, const struct hearth_err *err)
{
    struct launch_message msg = {.type = LAUNCH_DIED, .id = id};

    msg.u.died.cause = LAUNCH_CAUSE_NOT_ISOLATED;
    (void)snprintf(msg.u.died.text, sizeof msg.u.died.text, "%.*s", (int)sizeof msg.u.died.text - 1,
                   err->text);
    launcher_log_error(l, "instance %" PRIu64 " could not be made: %s", id, err->text);
    launcher_send(l, &msg, NULL, 0);
}

static int
open_object(struct launcher *l, const struct launch_start *start, int *fd, struct hearth_err *err)
{
    char path[STATE_PATH_BYTES];
    struct stat st;
    cleanup_close int opened = -1;

    state_version_path(path, start->name, start->version, start->staged != 0, STATE_OBJECT);
    opened = launcher_open_in_state(l, path, O_RDONLY | O_NONBLOCK);
    if (opened < 0 || fstat(opened, &st) != 0)
        return err_set(err, errno, "open %s", path);
    if (!S_ISREG(st.st_mode) || st.st_size > LIMIT_OBJECT)
        return err_set(err, EINVAL, "%s is not a file of at most %d bytes", path, LIMIT_OBJECT);
    *fd = take_fd(&opened);
    return 0;
}

/* By its first line, which the worker goes by too. An object that says it falsely has fewer system
 * calls than it could. */
static bool
is_python(int object)
{
    char first[sizeof PYTHON_OBJECT_FIRST] = "";

    return pread(object, first, sizeof first - 1, 0) == (ssize_t)sizeof first - 1 &&
           strcmp(first, PYTHON_OBJECT_FIRST) == 0;
}

/* The folder of the version's files as a mount that is attached nowhere: an instance sees it, and
 * no folder above it. -1 where the version has none. */
static int
open_files(struct launcher *l, const struct launch_start *start, int *fd, struct hearth_err *err)
{
    struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV};
    char path[STATE_PATH_BYTES];
    cleanup_close int folder = -1, tree = -1;

    state_version_path(path, start->name, start->version, start->staged != 0, STATE_FILES);
    folder = launcher_open_in_state(l, path, O_PATH | O_DIRECTORY);
    if (folder < 0)
        return errno == ENOENT ? 0 : err_set(err, errno, "open %s", path);
    tree = (int)syscall(SYS_open_tree, folder, "",
                        AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    if (tree < 0 || syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH, &attr, sizeof attr) != 0)
        return err_set(err, errno, "layer \"mount\": make %s read-only for an instance", path);
    *fd = take_fd(&tree);
    return 0;
}

static void
send_started(struct launcher *l, const struct launcher_child *c,
             const struct launcher_worker_fds *fds)
{
    struct launch_message msg = {.type = LAUNCH_STARTED, .id = c->id};
    int sent[LAUNCH_FDS_MAX] = {
        [LAUNCH_FD_CHANNEL] = fds->channel, [LAUNCH_FD_LOG] = fds->log_read,
        [LAUNCH_FD_MEMORY] = fds->memory,   [LAUNCH_FD_PEAK] = fds->peak,
        [LAUNCH_FD_CPU] = fds->cpu,
    };

    memcpy(sent + LAUNCH_FD_BELLS, fds->bells, (size_t)fds->bells_count * sizeof fds->bells[0]);

    msg.u.started.pid = c->pid;
    msg.u.started.cpu_in_usec = l->tree.hierarchies == 1;
    msg.u.started.forked = c->zone != NULL && !c->is_template;
    launcher_send(l, &msg, sent, LAUNCH_FD_BELLS + (unsigned)fds->bells_count);
}

/* A signal from outside, and no group of ours counted a kill: an administrator, or, while the host
 * is short of memory, the daemon that watches it. */
static enum launch_killer
killer_of(const struct launcher_child *c, const struct launch_died *died)
{
    static const enum launch_killer killers[] = {[SBX_KILLER_LIMIT] = LAUNCH_KILLER_LIMIT,
                                                 [SBX_KILLER_TREE] = LAUNCH_KILLER_BUDGET,
                                                 [SBX_KILLER_HOST] = LAUNCH_KILLER_HOST};

    if (died->oom_kills > 0)
        return killers[sbx_cgroup_killer(c->leaf)];
    if (died->cause == LAUNCH_CAUSE_SIGNAL && died->value == SIGKILL && !c->asked &&
        !c->unfiltered && shortage_now())
        return LAUNCH_KILLER_HOST;
    return LAUNCH_KILLER_NONE;
}

static void
instance_ended(struct launcher *l, struct launcher_child *c, const siginfo_t *info)
{
    struct launch_message msg = {.type = LAUNCH_DIED, .id = c->id};
    struct launch_died *died = &msg.u.died;

    launcher_spare_end(l, c);
    died->cause = info->si_code == CLD_EXITED ? LAUNCH_CAUSE_EXIT : LAUNCH_CAUSE_SIGNAL;
    died->value = info->si_status;
    died->oom_kills = sbx_cgroup_oom_kills(c->leaf);
    died->peak = sbx_cgroup_peak(c->leaf);
    died->asked = c->asked;
    died->killer = killer_of(c, died);
    if (c->unfiltered) {
        died->cause = LAUNCH_CAUSE_NOT_ISOLATED;
        (void)snprintf(died->text, sizeof died->text,
                       "it reported ready before the filter for running was loaded");
    }
    if (died->cause == LAUNCH_CAUSE_EXIT && died->value == INHERIT_EXIT_BROKEN) {
        launcher_read_error(c->control, died->text, sizeof died->text);
        if (died->text[0] != '\0') {
            died->cause = LAUNCH_CAUSE_NOT_ISOLATED;
            launcher_log_error(l, "instance %" PRIu64 " could not be made: %s", c->id, died->text);
        }
    }
    launcher_send(l, &msg, NULL, 0);
}

/* The kernel looks at this limit as the stack grows. */
static int
set_stack(const struct launcher_child *c, uint64_t bytes, struct hearth_err *err)
{
    struct rlimit limit = {.rlim_cur = bytes, .rlim_max = bytes};

    if (bytes == LAUNCHER_STACK)
        return 0; /* it was born with that */
    if (prlimit(c->pid, RLIMIT_STACK, &limit, NULL) != 0)
        return err_set(err, errno, "limit the stack of a worker");
    return 0;
}

/* The share of the CPU is in proportion to the memory. */
static uint32_t
weight_of(uint64_t memory)
{
    return (uint32_t)(memory / ((1ull << 30) / 1000));
}

/* NULL: it is to be made in another way. */
static struct launcher_child *
fork_from(struct launcher *l, const struct launch_message *msg, struct launcher_child *from,
          const struct launcher_recipe *recipe, struct launcher_worker_fds *fds)
{
    struct launcher_worker_fds own = LAUNCHER_NO_FDS;
    struct hearth_err err = {0};
    struct launcher_child *c =
        launcher_fork(l, from, recipe, msg->id, instance_ended, fds->broker_theirs, &own, &err);

    if (c == NULL) {
        launcher_log_error(l, "instance %" PRIu64 ": %s: it is made anew", msg->id, err.text);
        launcher_worker_fds_close(&own);
        return NULL;
    }
    send_started(l, c, &own);
    own.broker_ours = take_fd(&fds->broker_ours);
    c->pids_later = own.broker_ours >= 0 ? recipe->limits.pids : 0;
    launcher_worker_fds_close(fds);
    *fds = own;
    return c;
}

/* Tells the broker, where the instance has a socket to it. */
static void
attach(struct launcher *l, struct launcher_child *c, struct launcher_worker_fds *fds)
{
    if (fds->broker_ours < 0)
        return;
    c->broker = take_fd(&fds->broker_ours);
    launcher_broker_attach(l, c);
}

/* Gives a blank, or a worker just born, the function. A blank has no /tmp and the usual
 * filters: who is to have others is born with them. */
static int
assign(struct launcher *l, const struct launch_message *msg, struct launcher_child **c,
       struct launcher_worker_fds *fds, struct hearth_err *err)
{
    const struct launch_start *start = &msg->u.start;
    struct sbx_wider wider = {.calls = start->calls & sbx_extra_unusual(),
                              .threads = start->threads - 1,
                              .files = start->tmp_bytes > 0,
                              .strict = start->strict != 0,
                              .network = start->network != 0,
                              .forks = start->template != 0};
    struct launcher_recipe recipe = {
        .limits = {.memory = start->memory_limit,
                   .cpu_most = start->cpu,
                   /* one more: a thread that was joined counts until the kernel has freed it */
                   .pids = start->template != 0 ? 1
                           : wider.threads > 0
                               ? start->threads + 1 + RESOLVER_THREADS * start->network
                               : LAUNCHER_WORKER_PIDS,
                   .cpu_weight = weight_of(start->memory_limit)},
        .tmp_bytes = start->tmp_bytes,
        .is_template = start->template != 0,
    };
    struct launcher_child *from = start->from != 0 ? find(l, start->from) : NULL;
    bool is_default;
    int status = open_object(l, start, &fds->object, err);

    if (status == 0)
        status = open_files(l, start, &fds->files, err);
    wider.python = status == 0 && is_python(fds->object);
    is_default = launcher_is_usual(&wider);
    if (status == 0 && start->template != 0 &&
        (l->without_cgroups || wider.threads > 0 || wider.files))
        status = err_set(err, EINVAL, "a template has control groups, one thread and no /tmp");
    if (status == 0 && (start->calls & ~sbx_extra_all()) != 0)
        status = err_set(err, EINVAL, "allow system calls that no function may make");
    if (status == 0)
        status = launcher_find_filters(l, &wider, &recipe.filters, err);
    if (status == 0 && wider.network && start->template == 0)
        status = launcher_broker_pair(l, &fds->broker_theirs, &fds->broker_ours, err);
    if (status < 0)
        return status;
    if (from != NULL && from->is_template && (*c = fork_from(l, msg, from, &recipe, fds)) != NULL) {
        attach(l, *c, fds);
        return 0;
    }
    *c = is_default ? launcher_blank_take(l, fds) : NULL;
    if (*c != NULL) {
        (*c)->kind = LAUNCHER_WORKER;
        (*c)->ended = instance_ended;
        (*c)->id = msg->id;
        send_started(l, *c, fds); /* at once: the gateway opens the channel meanwhile */
        status = sbx_cgroup_set((*c)->leaf, &recipe.limits, err);
    } else if ((*c = launcher_take_slot(l, LAUNCHER_WORKER, msg->id, instance_ended)) == NULL) {
        return err_set(err, EAGAIN, "there are %d instances already", LIMIT_INSTANCES);
    } else {
        status = launcher_make_worker(l, &recipe, *c, fds, err);
        if (status == 0)
            send_started(l, *c, fds);
    }
    if (status == 0)
        status = set_stack(*c, start->stack_bytes, err);
    if (status == 0)
        attach(l, *c, fds);
    return status == 0 ? launcher_send_task(*c, fds, err) : status;
}

void
launcher_start(struct launcher *l, const struct launch_message *msg)
{
    __attribute__((cleanup(launcher_worker_fds_close))) struct launcher_worker_fds fds =
        LAUNCHER_NO_FDS;
    struct hearth_err err = {0};
    struct launcher_child *c = NULL;
    int status;

    if (find(l, msg->id) != NULL)
        status = err_set(&err, EEXIST, "instance %" PRIu64, msg->id);
    else
        status = assign(l, msg, &c, &fds, &err);
    if (status < 0) {
        send_not_isolated(l, msg->id, &err);
        if (c != NULL)
            launcher_drop(l, c);
        return;
    }
    c->control = take_fd(&fds.control_ours);
}

void
launcher_kill(struct launcher *l, const struct launch_message *msg)
{
    struct launcher_child *c = find(l, msg->id);

    if (c == NULL)
        return; /* it has ended: LAUNCH_DIED was sent, or will be */
    c->asked = true;
    launcher_kill_child(c);
}

void
launcher_cut_instance(struct launcher *l, const struct launch_message *msg)
{
    const struct launcher_child *c = find(l, msg->id);

    if (c != NULL)
        launcher_cut(l, c, &msg->u.cut);
}

void
launcher_limit(struct launcher *l, const struct launch_message *msg)
{
    struct launch_message answer = {.type = LAUNCH_LIMITED, .id = msg->id};
    struct launcher_child *c = find(l, msg->id);
    struct hearth_err err = {0};

    answer.u.limited.status = -ESRCH;
    if (c != NULL)
        answer.u.limited.status = sbx_cgroup_set(
            c->leaf,
            &(struct sbx_cgroup_limits){.memory = msg->u.limit.memory_limit,
                                        .cpu_weight = weight_of(msg->u.limit.memory_limit),
                                        .cpu_most = msg->u.limit.cpu},
            &err);
    launcher_send(l, &answer, NULL, 0);
}

/* "Ready" may come from a constructor that kept the worker from loading its second filter. The
 * kernel knows how many filters there are, and the second one can only be RUN. The count includes
 * the filters that this process was started with, by a container or by systemd. */
void
launcher_check(struct launcher *l, const struct launch_message *msg)
{
    struct launch_message answer = {.type = LAUNCH_CHECKED, .id = msg->id};
    struct hearth_err err = {0};
    struct launcher_child *c = find(l, msg->id);

    if (c == NULL)
        return;           /* it has ended: LAUNCH_DIED was sent, or will be */
    if (c->is_template) { /* it serves nothing */
        if (launcher_send_ranges(c, &err) < 0) {
            launcher_log_error(l, "%s", err.text);
            launcher_kill_child(c);
        }
        return;
    }
    if (launcher_count_filters(c->pid) >= l->filters_above + SBX_FILTER_COUNT &&
        launcher_fork_settle(c) == 0) {
        launcher_send(l, &answer, NULL, 0);
        return;
    }
    c->unfiltered = true;
    launcher_kill_child(c);
}
