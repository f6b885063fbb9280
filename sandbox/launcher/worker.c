/* worker.c: makes a sandboxed worker process: its cgroup, its descriptors, its spawn; and
 * hands it the function that it is to load. */
#include "launcher/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "channel.h"
#include "cleanup.h"
#include "fd_passing.h"
#include "inherit.h"
#include "launcher/child.h"
#include "launcher/spawn.h"
#include "launcher/watch.h"
#include "launcher/zone.h"

#define RAW_OUTPUT_BYTES (64 * 1024)

static int
open_memory(const struct sbx_cgroup *leaf)
{
    const struct sbx_cgroup_ops *ops = leaf->tree->ops;

    return sbx_cgroup_leaf_open(leaf, ops->memory_controller, ops->memory_file, O_RDONLY);
}

/* The files that the gateway reads to learn what an instance uses. */
static int
open_meters(const struct sbx_cgroup *leaf, int *memory, int *peak, int *cpu, struct hearth_err *err)
{
    const struct sbx_cgroup_ops *ops = leaf->tree->ops;
    int controller = ops->memory_controller;

    *memory = open_memory(leaf);
    *peak = sbx_cgroup_leaf_open(leaf, controller, ops->peak_file, O_RDWR); /* a write resets it */
    if (*peak < 0) /* v2 before Linux 6.12: it cannot be reset */
        *peak = sbx_cgroup_leaf_open(leaf, controller, ops->peak_file, O_RDONLY);
    if (*peak < 0 && errno == ENOENT && *memory >= 0)
        *peak = fcntl(*memory, F_DUPFD_CLOEXEC, 0); /* Linux before 5.19 on v2 */
    *cpu = sbx_cgroup_leaf_open(leaf, ops->cpu_controller, ops->cpu_file, O_RDONLY);
    if (*memory < 0 || *peak < 0 || *cpu < 0)
        return err_set(err, errno, "open the meters of %s", leaf->name);
    return 0;
}

void
launcher_worker_fds_close(struct launcher_worker_fds *fds)
{
    int all[] = {fds->channel,      fds->log_read,       fds->log_write,
                 fds->control_ours, fds->control_theirs, fds->object,
                 fds->memory,       fds->peak,           fds->cpu,
                 fds->files,        fds->broker_ours,    fds->broker_theirs};

    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (all[i] >= 0)
            (void)close(all[i]);
    while (fds->bells_count > 0)
        (void)close(fds->bells[--fds->bells_count]);
}

static int
make_bells(struct launcher_worker_fds *fds, int count, struct hearth_err *err)
{
    while (fds->bells_count < count) {
        int bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

        if (bell < 0)
            return err_set(err, errno, "make an eventfd");
        fds->bells[fds->bells_count++] = bell;
    }
    return 0;
}

static int
make_pipes(struct launcher_worker_fds *fds, struct hearth_err *err)
{
    int pair[2];

    /* Non-blocking on both ends: a function that prints too much loses lines, but does not
     * stall. A socket, not a pipe: the writer of a pipe holds a lock, which the reader waits
     * for, while it copies from memory that may have to be read from disk first. */
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) != 0)
        return err_set(err, errno, "make a socket pair");
    fds->log_read = pair[0];
    fds->log_write = pair[1];
    if (setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &(int){RAW_OUTPUT_BYTES}, sizeof(int)) != 0 ||
        shutdown(pair[1], SHUT_RD) != 0)
        return err_set(err, errno, "make a socket pair one-way");
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        return err_set(err, errno, "make a socket pair");
    fds->control_ours = pair[0];
    fds->control_theirs = pair[1];
    return 0;
}

int
launcher_open_meter(const struct launcher_child *c)
{
    return open_memory(c->leaf);
}

int
launcher_open_stat(const struct launcher_child *c)
{
    int fd = sbx_cgroup_leaf_open(c->leaf, c->leaf->tree->ops->memory_controller, "memory.stat",
                                  O_RDONLY);

    return fd >= 0 || errno != ENOENT ? fd : open_memory(c->leaf); /* without control groups */
}

int
launcher_send_task(const struct launcher_child *c, const struct launcher_worker_fds *fds,
                   struct hearth_err *err)
{
    cleanup_close int meter = launcher_open_meter(c), stat = launcher_open_stat(c);
    const char byte = c->is_template ? INHERIT_TASK_TEMPLATE : INHERIT_TASK;
    const int sent[INHERIT_TASK_FDS_MOST] = {fds->object, meter, stat, fds->files};
    unsigned count = fds->files >= 0 ? INHERIT_TASK_FDS_MOST : INHERIT_TASK_FDS;
    int status;

    if (meter < 0 || stat < 0)
        return err_set(err, errno, "open the memory meter of a control group");
    status = fd_send(fds->control_ours, &byte, 1, sent, count, MSG_DONTWAIT);
    return status == 0 ? 0 : err_set(err, -status, "send a worker its task");
}

/* Read only, and an open file of its own: processes that share one could pass information by its
 * offset. */
static int
open_anew(int fd)
{
    char path[32];

    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return open(path, O_RDONLY | O_CLOEXEC);
}

static int
spawn_worker(struct launcher *l, const struct launcher_recipe *recipe, struct launcher_child *c,
             struct launcher_worker_fds *fds, struct hearth_err *err)
{
    static char *const argv[] = {(char *)"hearth-worker", NULL};
    cleanup_close int input = open_anew(l->empty);
    struct sbx_spawn spawn = {
        .jail = &l->jail,
        .leaf = c->leaf,
        .inherit = {.input = input,
                    .output = fds->log_write,
                    .control = fds->control_theirs,
                    .first = fds->channel,
                    .filters = recipe->filters,
                    .broker = fds->broker_theirs,
                    .bells_count = fds->bells_count},
        .program = l->worker_program,
        .source = -1,
        .files = c->is_template ? fds->files : -1,
        .pids = c->zone != NULL ? launcher_zone_pids(c->zone) : -1,
        .life = l->life,
        .uid = l->without_users ? 0 : LAUNCHER_UID_BASE + launcher_slot_of(l, c),
        .file_bytes = recipe->tmp_bytes,
        .argv = argv,
    };

    if (input < 0)
        return err_set(err, errno, "open an empty file");
    memcpy(spawn.inherit.bells, fds->bells, sizeof fds->bells);
    return sbx_spawn(&spawn, &c->pid, &c->pidfd, err);
}

int
launcher_prepare_worker(struct launcher *l, const struct launcher_recipe *recipe,
                        struct launcher_child *c, struct launcher_worker_fds *fds,
                        struct hearth_err *err)
{
    int status = sbx_cgroup_take(&l->tree, &recipe->limits, &c->leaf, err);

    if (status == 0)
        status = open_meters(c->leaf, &fds->memory, &fds->peak, &fds->cpu, err);
    if (status == 0)
        status = chan_create(&fds->channel, err);
    if (status == 0)
        status = make_pipes(fds, err);
    return status == 0 ? make_bells(fds, l->threads, err) : status;
}

int
launcher_make_worker(struct launcher *l, const struct launcher_recipe *recipe,
                     struct launcher_child *c, struct launcher_worker_fds *fds,
                     struct hearth_err *err)
{
    int status = launcher_prepare_worker(l, recipe, c, fds, err);

    if (status == 0 && recipe->is_template) {
        c->zone = launcher_zone_new(launcher_slot_of(l, c), !l->without_users, err);
        status = c->zone != NULL ? 0 : err->code;
        c->is_template = true;
    }
    if (status == 0)
        status = spawn_worker(l, recipe, c, fds, err);
    if (status < 0)
        return status;
    status = launcher_watch(l, c->pidfd, LAUNCHER_TAG_CHILD + launcher_slot_of(l, c));
    return status == 0 ? 0 : err_set(err, -status, "watch a worker");
}
