/* children.c: the launcher's sandboxed children: their slots, the lives of workers, the
 * end of any. A slot is a uid; a worker's slot and its cgroup leaf are free again once it
 * was reaped.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/openat2.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "channel.h"
#include "cleanup.h"
#include "launcher/launcher.h"
#include "launcher/spawn.h"
#include "log.h"
#include "text.h"

#define NO_SLOT      UINT32_MAX
#define OUTPUT_BYTES (64 * 1024)

void
launcher_children_init(struct launcher *l)
{
    for (uint32_t i = 0; i < LIMIT_INSTANCES; i++)
        l->children[i].next_free = i + 1 < LIMIT_INSTANCES ? i + 1 : NO_SLOT;
    l->free_worker = 0;
}

static struct launcher_child *
find(struct launcher *l, enum launcher_kind kind, uint64_t id)
{
    uint32_t from = kind == LAUNCHER_WORKER ? 0 : LIMIT_INSTANCES;
    uint32_t to = kind == LAUNCHER_WORKER ? l->workers_top : LIMIT_INSTANCES + LAUNCHER_BUILDS;

    for (uint32_t i = from; i < to; i++)
        if (l->children[i].kind == kind && l->children[i].id == id)
            return &l->children[i];
    return NULL;
}

uint32_t
launcher_slot_of(const struct launcher *l, const struct launcher_child *c)
{
    return (uint32_t)(c - l->children);
}

struct launcher_child *
launcher_take_slot(struct launcher *l, enum launcher_kind kind, uint64_t id)
{
    uint32_t slot = l->free_worker;
    struct launcher_child *c;

    if (kind == LAUNCHER_BUILDER)
        for (slot = LIMIT_INSTANCES; slot < LIMIT_INSTANCES + LAUNCHER_BUILDS; slot++)
            if (l->children[slot].kind == LAUNCHER_FREE)
                break;
    if (slot >= LIMIT_INSTANCES + (kind == LAUNCHER_BUILDER ? LAUNCHER_BUILDS : 0))
        return NULL;
    c = &l->children[slot];
    if (kind != LAUNCHER_BUILDER) {
        l->free_worker = c->next_free;
        if (slot >= l->workers_top)
            l->workers_top = slot + 1;
    }
    *c = (struct launcher_child){.kind = kind,
                                 .id = id,
                                 .pidfd = -1,
                                 .control = -1,
                                 .object = -1,
                                 .said = -1,
                                 .next_free = NO_SLOT};
    return c;
}

void
launcher_free_slot(struct launcher *l, struct launcher_child *c)
{
    int fds[] = {c->pidfd, c->control, c->object, c->said};

    for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++)
        if (fds[i] >= 0)
            (void)close(fds[i]);
    if (c->leaf != NULL)
        sbx_cgroup_give(c->leaf);
    if (c->kind != LAUNCHER_BUILDER) {
        c->next_free = l->free_worker;
        l->free_worker = launcher_slot_of(l, c);
    }
    c->kind = LAUNCHER_FREE;
    c->leaf = NULL;
}

/* ---- workers ---- */

static void
tell_no_wall(struct launcher *l, uint64_t id, const struct hearth_err *err)
{
    struct launch_message msg = {.type = LAUNCH_DIED, .id = id};

    msg.u.died.cause = LAUNCH_CAUSE_NO_WALL;
    (void)snprintf(msg.u.died.text, sizeof msg.u.died.text, "%.*s", (int)sizeof msg.u.died.text - 1,
                   err->text);
    launcher_complain(l, "instance %" PRIu64 " could not be made: %s", id, err->text);
    launcher_tell(l, &msg, NULL, 0);
}

/* Opens a path below the state folder; no link in it is followed. */
int
launcher_open_in_state(struct launcher *l, const char *path, uint64_t flags)
{
    struct open_how how = {
        .flags = flags | O_CLOEXEC,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
    };

    return (int)syscall(SYS_openat2, l->state_fd, path, &how, sizeof how);
}

static int
open_object(struct launcher *l, const struct launch_start *start, int *fd, struct hearth_err *err)
{
    char path[160];
    struct stat st;
    cleanup_close int opened = -1;

    (void)snprintf(path, sizeof path, "functions/%s/%s%u/function.so", start->name,
                   start->staged ? "tmp-" : "", start->version);
    opened = launcher_open_in_state(l, path, O_RDONLY | O_NONBLOCK);
    if (opened < 0 || fstat(opened, &st) != 0)
        return err_set(err, errno, "open %s", path);
    if (!S_ISREG(st.st_mode) || st.st_size > LIMIT_OBJECT)
        return err_set(err, EINVAL, "%s is no object of at most %d bytes", path, LIMIT_OBJECT);
    *fd = take_fd(&opened);
    return 0;
}

static int
open_memory(const struct sbx_cgroup *leaf)
{
    const struct sbx_cgroup_ops *ops = leaf->tree->ops;

    return openat(leaf->dir[ops->memory_controller], ops->memory_file, O_RDONLY | O_CLOEXEC);
}

/* The files that the gateway preads for what an instance uses. */
static int
open_meters(const struct sbx_cgroup *leaf, int *memory, int *peak, int *cpu, struct hearth_err *err)
{
    const struct sbx_cgroup_ops *ops = leaf->tree->ops;
    int dir = leaf->dir[ops->memory_controller];

    *memory = open_memory(leaf);
    *peak = openat(dir, ops->peak_file, O_RDONLY | O_CLOEXEC);
    *cpu = openat(leaf->dir[ops->cpu_controller], ops->cpu_file, O_RDONLY | O_CLOEXEC);
    if (*peak < 0 && errno == ENOENT && *memory >= 0)
        *peak = fcntl(*memory, F_DUPFD_CLOEXEC, 0); /* Linux before 5.19 on v2 */
    if (*memory < 0 || *peak < 0 || *cpu < 0)
        return err_set(err, errno, "open the meters of %s", leaf->name);
    return 0;
}

void
launcher_worker_fds_close(struct launcher_worker_fds *fds)
{
    int all[] = {fds->channel,      fds->log_read,       fds->log_write,
                 fds->control_ours, fds->control_theirs, fds->object,
                 fds->memory,       fds->peak,           fds->cpu};

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

    /* Non-blocking on both ends: a function that talks too much loses lines, it does not
     * stall. No pipe: its writer holds a lock that its reader waits for, while it reads what
     * is written from memory that may have to come from a disk. */
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) != 0)
        return err_set(err, errno, "make a socket pair");
    fds->log_read = pair[0];
    fds->log_write = pair[1];
    if (setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &(int){OUTPUT_BYTES}, sizeof(int)) != 0 ||
        shutdown(pair[1], SHUT_RD) != 0)
        return err_set(err, errno, "make a socket pair one way");
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        return err_set(err, errno, "make a socket pair");
    fds->control_ours = pair[0];
    fds->control_theirs = pair[1];
    return 0;
}

/* The worker's task: the object to load and the file that says what it uses. */
static int
send_task(const struct launcher_child *c, struct launcher_worker_fds *fds, struct hearth_err *err)
{
    cleanup_close int meter = open_memory(c->leaf); /* not the gateway's: a file has a lock */
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(2 * sizeof(int))] = {0};
    char byte = 'T';
    struct iovec iov = {.iov_base = &byte, .iov_len = 1};
    struct msghdr hdr = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    struct cmsghdr *cmsg = CMSG_FIRSTHDR(&hdr);
    int sent[2] = {fds->object, meter};

    if (meter < 0)
        return err_set(err, errno, "open the memory meter of a control group");
    cmsg->cmsg_level = SOL_SOCKET;
    cmsg->cmsg_type = SCM_RIGHTS;
    cmsg->cmsg_len = CMSG_LEN(sizeof sent);
    memcpy(CMSG_DATA(cmsg), sent, sizeof sent);
    if (sendmsg(fds->control_ours, &hdr, MSG_NOSIGNAL | MSG_DONTWAIT) != 1)
        return err_set(err, errno, "hand a worker its function");
    return 0;
}

/* Read only, with an offset of its own: what several processes have open together, one can
 * leave word in for another. */
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
                    .bells_count = fds->bells_count},
        .program = l->worker_program,
        .source = -1,
        .life = l->life,
        .uid = LAUNCHER_UID_BASE + launcher_slot_of(l, c),
        .file_bytes = recipe->tmp_bytes,
        .argv = argv,
    };

    if (input < 0)
        return err_set(err, errno, "open an empty file");
    memcpy(spawn.inherit.bells, fds->bells, sizeof fds->bells);
    return sbx_spawn(&spawn, &c->pid, &c->pidfd, err);
}

static void
tell_started(struct launcher *l, const struct launcher_child *c,
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
    launcher_tell(l, &msg, sent, LAUNCH_FD_BELLS + (unsigned)fds->bells_count);
}

int
launcher_make_worker(struct launcher *l, const struct launcher_recipe *recipe,
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
    if (status == 0)
        status = make_bells(fds, l->threads, err);
    if (status == 0)
        status = spawn_worker(l, recipe, c, fds, err);
    if (status < 0)
        return status;
    status = launcher_watch(l, c->pidfd, LAUNCHER_TAG_CHILD + launcher_slot_of(l, c));
    return status == 0 ? 0 : err_set(err, -status, "watch a worker");
}

void
launcher_drop(struct launcher *l, struct launcher_child *c)
{
    if (c->pidfd >= 0) {
        (void)syscall(SYS_pidfd_send_signal, c->pidfd, SIGKILL, NULL, 0);
        (void)waitid(P_PIDFD, (id_t)c->pidfd, &(siginfo_t){0}, WEXITED);
    }
    launcher_free_slot(l, c);
}

/* Gives a blank, or a worker just born, the function. A blank has no /tmp and the usual
 * filters: who is to have others is born with them. */
static int
assign(struct launcher *l, const struct launch_message *msg, struct launcher_child **c,
       struct launcher_worker_fds *fds, struct hearth_err *err)
{
    const struct launch_start *start = &msg->u.start;
    struct sbx_wider wider = {.calls = start->calls, .files = start->tmp_bytes > 0};
    struct launcher_recipe recipe = {
        .limits = {.memory = start->memory_limit,
                   .pids = LAUNCHER_WORKER_PIDS,
                   .cpu_weight = (uint32_t)(start->memory_limit / ((1ull << 30) / 1000))},
        .tmp_bytes = start->tmp_bytes,
    };
    bool usual = wider.calls == 0 && !wider.files;
    int status = open_object(l, start, &fds->object, err);

    if (status == 0)
        status = launcher_find_filters(l, &wider, &recipe.filters, err);
    if (status < 0)
        return status;
    *c = usual ? launcher_blank_take(l, fds) : NULL;
    if (*c != NULL) {
        (*c)->kind = LAUNCHER_WORKER;
        (*c)->id = msg->id;
        tell_started(l, *c, fds); /* the gateway opens the channel meanwhile */
        status = sbx_cgroup_set((*c)->leaf, &recipe.limits, err);
    } else if ((*c = launcher_take_slot(l, LAUNCHER_WORKER, msg->id)) == NULL) {
        return err_set(err, EAGAIN, "there are %d instances already", LIMIT_INSTANCES);
    } else {
        status = launcher_make_worker(l, &recipe, *c, fds, err);
        if (status == 0)
            tell_started(l, *c, fds);
    }
    return status == 0 ? send_task(*c, fds, err) : status;
}

void
launcher_start(struct launcher *l, const struct launch_message *msg)
{
    __attribute__((cleanup(launcher_worker_fds_close))) struct launcher_worker_fds fds =
        LAUNCHER_NO_FDS;
    struct hearth_err err = {0};
    struct launcher_child *c = NULL;
    int status;

    if (find(l, LAUNCHER_WORKER, msg->id) != NULL)
        status = err_set(&err, EEXIST, "instance %" PRIu64, msg->id);
    else
        status = assign(l, msg, &c, &fds, &err);
    if (status < 0) {
        tell_no_wall(l, msg->id, &err);
        if (c != NULL)
            launcher_drop(l, c);
        return;
    }
    c->control = take_fd(&fds.control_ours);
}

void
launcher_kill(struct launcher *l, const struct launch_message *msg)
{
    struct launcher_child *c = find(l, LAUNCHER_WORKER, msg->id);

    if (c == NULL)
        return; /* it died on its own: the gateway has been told, or will be */
    c->asked = true;
    (void)syscall(SYS_pidfd_send_signal, c->pidfd, SIGKILL, NULL, 0);
}

void
launcher_limit(struct launcher *l, const struct launch_message *msg)
{
    struct launch_message answer = {.type = LAUNCH_LIMITED, .id = msg->id};
    struct launcher_child *c = find(l, LAUNCHER_WORKER, msg->id);
    struct hearth_err err = {0};

    answer.u.limited.status = -ESRCH;
    if (c != NULL)
        answer.u.limited.status = sbx_cgroup_set_memory(c->leaf, msg->u.limit.memory_limit, &err);
    launcher_tell(l, &answer, NULL, 0);
}

int
launcher_count_filters(pid_t pid)
{
    char path[64], line[256];
    cleanup_file FILE *file = NULL;
    int count = -1;

    (void)snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    file = fopen(path, "re");
    while (file != NULL && count < 0 && fgets(line, sizeof line, file) != NULL)
        (void)sscanf(line, "Seccomp_filters: %d", &count);
    return count;
}

/* Who says that it is ready may have been a constructor that never let the worker narrow
 * its filter. The kernel knows; and no other filter than RUN can have been loaded. It counts
 * those too that this process was started under, by a container or by systemd. */
void
launcher_check(struct launcher *l, const struct launch_message *msg)
{
    struct launch_message answer = {.type = LAUNCH_CHECKED, .id = msg->id};
    struct launcher_child *c = find(l, LAUNCHER_WORKER, msg->id);

    if (c == NULL)
        return; /* dead: the gateway has been told, or will be */
    if (launcher_count_filters(c->pid) >= l->filters_above + SBX_FILTER_COUNT) {
        launcher_tell(l, &answer, NULL, 0);
        return;
    }
    c->unfiltered = true;
    (void)syscall(SYS_pidfd_send_signal, c->pidfd, SIGKILL, NULL, 0);
}

/* ---- the end ---- */

/* A child that died with its task unread makes the first recv fail. */
void
launcher_last_words(int control, char *text, size_t n)
{
    ssize_t got = recv(control, text, n - 1, MSG_DONTWAIT);

    if (got < 0 && errno == ECONNRESET)
        got = recv(control, text, n - 1, MSG_DONTWAIT);
    text[got > 0 ? got : 0] = '\0';
    text_printable(text, false);
}

static void
worker_ended(struct launcher *l, struct launcher_child *c, const siginfo_t *info)
{
    struct launch_message msg = {.type = LAUNCH_DIED, .id = c->id};
    struct launch_died *died = &msg.u.died;

    died->cause = info->si_code == CLD_EXITED ? LAUNCH_CAUSE_EXIT : LAUNCH_CAUSE_SIGNAL;
    died->value = info->si_status;
    died->oom_kills = sbx_cgroup_oom_kills(c->leaf);
    died->peak = sbx_cgroup_peak(c->leaf);
    died->asked = c->asked;
    if (c->unfiltered) {
        died->cause = LAUNCH_CAUSE_NO_WALL;
        (void)snprintf(died->text, sizeof died->text,
                       "it said that it was ready before the filter for running was loaded");
    }
    if (died->cause == LAUNCH_CAUSE_EXIT && died->value == SBX_SPAWN_FAILED) {
        launcher_last_words(c->control, died->text, sizeof died->text);
        if (died->text[0] != '\0') {
            died->cause = LAUNCH_CAUSE_NO_WALL;
            launcher_complain(l, "instance %" PRIu64 " could not be made: %s", c->id, died->text);
        }
    }
    launcher_tell(l, &msg, NULL, 0);
}

void
launcher_child_ended(struct launcher *l, uint32_t slot)
{
    struct launcher_child *c = &l->children[slot];
    siginfo_t info = {0};

    if (c->kind == LAUNCHER_FREE)
        return;
    if (waitid(P_PIDFD, (id_t)c->pidfd, &info, WEXITED | WNOHANG) != 0 || info.si_pid == 0)
        return;
    if (c->kind == LAUNCHER_WORKER)
        worker_ended(l, c, &info);
    else if (c->kind == LAUNCHER_BLANK)
        launcher_blank_ended(l, c);
    else
        launcher_build_ended(l, c, &info);
    launcher_free_slot(l, c);
}

void
launcher_children_end(struct launcher *l)
{
    for (size_t i = 0; i < sizeof l->children / sizeof l->children[0]; i++)
        if (l->children[i].kind != LAUNCHER_FREE)
            (void)syscall(SYS_pidfd_send_signal, l->children[i].pidfd, SIGKILL, NULL, 0);
    for (size_t i = 0; i < sizeof l->children / sizeof l->children[0]; i++) {
        struct launcher_child *c = &l->children[i];

        if (c->kind == LAUNCHER_FREE)
            continue;
        (void)waitid(P_PIDFD, (id_t)c->pidfd, &(siginfo_t){0}, WEXITED);
        if (c->kind == LAUNCHER_BLANK)
            launcher_blank_ended(l, c);
        launcher_free_slot(l, c);
    }
    l->builds = 0;
}
