/* builds.c: the launcher's builders: one compiler's jail for each build. What a build may take
 * is CPU time, of all its processes together: how long it takes then depends on what else the
 * host does. A deadline that is several times as long bounds what neither runs nor ends. */
#include "launcher/builds.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"
#include "clock.h"
#include "launcher/child.h"
#include "launcher/gateway.h"
#include "launcher/report.h"
#include "launcher/spawn.h"
#include "launcher/watch.h"
#include "state_paths.h"

#define BUILD_PIDS     64u
#define JOBS_MAX       12                    /* compilers side by side: four processes each */
#define JOB_BYTES      (UINT64_C(192) << 20) /* of memory that a usual one needs */
#define WALL_TIMES     5                     /* the deadline, in times of the CPU time */
#define CPU_LOOK_MS    20                    /* least time between two looks at it */
#define EXIT_NO_MEMORY 2                     /* of the builder: the kernel ended a compiler */

/* How many compilers run side by side: one for each core that this process may use, where each
 * has a usual share of the memory. */
static int
jobs_of(const struct launcher *l)
{
    uint64_t jobs = l->build_bytes / JOB_BYTES;
    cpu_set_t cores;
    int count = sched_getaffinity(0, sizeof cores, &cores) == 0 ? CPU_COUNT(&cores) : 1;

    if (jobs > (uint64_t)count)
        jobs = (uint64_t)count;
    if (jobs > JOBS_MAX)
        jobs = JOBS_MAX;
    return jobs > 0 ? (int)jobs : 1;
}

/* CPU time that the leaf has used since it was made, in milliseconds; -1 where it is not known. */
static int64_t
cpu_ms(const struct launcher *l, const struct sbx_cgroup *leaf)
{
    const struct sbx_cgroup_ops *ops = l->tree.ops;
    bool in_usec = l->tree.hierarchies == 1;
    uint64_t used;

    if (sbx_cgroup_leaf_read_u64(leaf, ops->cpu_controller, ops->cpu_file,
                                 in_usec ? "usage_usec" : NULL, &used) < 0)
        return -1;
    return (int64_t)(used / (in_usec ? 1000 : 1000000));
}

/* What a builder gets, besides what it makes. */
struct builder_files {
    int source, plan, control;
    int cache; /* -1: there is none yet */
};

static int
spawn_builder(struct launcher *l, const struct launch_message *msg, struct launcher_child *c,
              const struct builder_files *files, struct hearth_err *err)
{
    char libs[LIMIT_LIBS][LIMIT_LIB_NAME + 1], jobs[16];
    char *argv[LIMIT_LIBS + 3] = {(char *)"hearth-builder", jobs};
    struct sbx_spawn spawn = {
        .jail = &l->jail,
        .leaf = c->leaf,
        .inherit = {.input = l->null,
                    .output = c->said,
                    .control = files->control,
                    .first = c->object,
                    .filters = -1,
                    .plan = files->plan,
                    .cache = files->cache >= 0 ? files->cache : l->null,
                    .kept = c->kept},
        .program = l->builder_program,
        .source = files->source,
        .pids = -1,
        .life = l->life,
        .uid = l->without_users ? 0 : LAUNCHER_UID_BUILD + launcher_slot_of(l, c) - LIMIT_INSTANCES,
        .cpu_seconds = (uint32_t)(l->build_ms / 1000) + 1,
        .file_bytes = LIMIT_OBJECT,
        .argv = argv,
    };

    (void)snprintf(jobs, sizeof jobs, "%d", jobs_of(l));
    for (uint32_t i = 0; i < msg->u.build.libs; i++) {
        (void)snprintf(libs[i], sizeof libs[i], "%s", msg->u.build.lib[i]);
        argv[i + 2] = libs[i];
    }
    return sbx_spawn(&spawn, &c->pid, &c->pidfd, err);
}

/* The gateway wrote these files; only what they are is looked at here. */
static int
open_regular(struct launcher *l, const char *path)
{
    cleanup_close int fd = launcher_open_in_state(l, path, O_RDONLY | O_NONBLOCK);
    struct stat st;

    return fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) ? take_fd(&fd) : -1;
}

static void
close_files(struct builder_files *files)
{
    int *fds[] = {&files->source, &files->plan, &files->control, &files->cache};

    for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++)
        if (*fds[i] >= 0)
            (void)close(take_fd(fds[i]));
}

static int
open_files(struct launcher *l, const struct launch_message *msg, struct launcher_child *c,
           struct builder_files *files, struct hearth_err *err)
{
    char path[STATE_PATH_BYTES];
    int pair[2];

    state_version_path(path, msg->u.build.name, msg->u.build.version, true, STATE_SOURCE);
    files->source = launcher_open_in_state(l, path, O_RDONLY | O_DIRECTORY);
    if (files->source < 0)
        return err_set(err, errno, "open %s", path);
    state_version_path(path, msg->u.build.name, msg->u.build.version, true, STATE_BUILD);
    files->plan = open_regular(l, path);
    if (files->plan < 0)
        return err_set(err, errno, "open %s", path);
    state_cache_path(path, msg->u.build.name);
    files->cache = open_regular(l, path);
    c->object = memfd_create("hearth-object", MFD_CLOEXEC);
    c->said = memfd_create("hearth-diagnostics", MFD_CLOEXEC);
    c->kept = memfd_create("hearth-cache", MFD_CLOEXEC);
    if (c->object < 0 || c->said < 0 || c->kept < 0 || fcntl(c->said, F_SETFL, O_APPEND) != 0)
        return err_set(err, errno, "make the files of a build");
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        return err_set(err, errno, "make a socket pair");
    c->control = pair[0];
    files->control = pair[1];
    return 0;
}

static int
start_builder(struct launcher *l, const struct launch_message *msg, struct launcher_child *c,
              struct hearth_err *err)
{
    struct sbx_cgroup_limits limits = {
        .memory = l->build_bytes, .pids = BUILD_PIDS, .cpu_weight = 500, .oom_kills_one = true};
    struct builder_files files = {-1, -1, -1, -1};
    int status = open_files(l, msg, c, &files, err);

    if (status == 0)
        status = sbx_cgroup_take(&l->tree, &limits, &c->leaf, err);
    if (status == 0) {
        c->cpu_base_ms = cpu_ms(l, c->leaf);
        status = spawn_builder(l, msg, c, &files, err);
    }
    close_files(&files);
    return status;
}

static void
send_built(struct launcher *l, uint64_t id, enum launch_build_result result, const char *text,
           const int *fds)
{
    struct launch_message msg = {.type = LAUNCH_BUILT, .id = id};

    msg.u.built.result = result;
    (void)snprintf(msg.u.built.text, sizeof msg.u.built.text, "%s", text);
    launcher_send(l, &msg, fds, fds != NULL ? LAUNCH_BUILT_FDS : 0);
}

/* Milliseconds until this one has to be looked at again; 0: it has taken all that it may. Its
 * CPU time cannot grow faster than all its compilers run. */
static int64_t
time_left(struct launcher *l, struct launcher_child *c, int64_t now)
{
    int64_t wall = c->deadline_ms - now, cpu = l->build_ms, used, wait;

    if (wall <= 0)
        return 0;
    if (c->cpu_look_ms > now)
        return c->cpu_look_ms - now < wall ? c->cpu_look_ms - now : wall;
    used = cpu_ms(l, c->leaf);
    if (used >= 0 && c->cpu_base_ms >= 0)
        cpu -= used - c->cpu_base_ms;
    if (cpu <= 0)
        return 0;
    wait = cpu / jobs_of(l);
    if (wait < CPU_LOOK_MS)
        wait = CPU_LOOK_MS;
    c->cpu_look_ms = now + wait;
    return wait < wall ? wait : wall;
}

static void
build_ended(struct launcher *l, struct launcher_child *c, const siginfo_t *info)
{
    enum launch_build_result result = LAUNCH_BUILD_BROKEN;
    char text[128] = "";
    int fds[LAUNCH_BUILT_FDS] = {c->object, c->said, c->kept};
    bool exited = info->si_code == CLD_EXITED;
    bool no_memory = !exited || info->si_status == EXIT_NO_MEMORY;

    if (exited && info->si_status == 0)
        result = LAUNCH_BUILD_OK;
    else if (c->asked || (!exited && info->si_status == SIGXCPU))
        result = LAUNCH_BUILD_TIME;
    else if (no_memory && sbx_cgroup_oom_kills(c->leaf) > 0)
        result = LAUNCH_BUILD_MEMORY;
    else if (exited && (info->si_status == 1 || info->si_status == EXIT_NO_MEMORY))
        result = LAUNCH_BUILD_FAILED;
    if (result == LAUNCH_BUILD_BROKEN) {
        launcher_read_error(c->control, text, sizeof text);
        if (text[0] == '\0')
            (void)snprintf(text, sizeof text, "the builder ended with %s %d",
                           exited ? "status" : "signal", info->si_status);
        launcher_log_error(l, "build %" PRIu64 " broke: %s", c->id, text);
    }
    l->builds--;
    send_built(l, c->id, result, text, fds);
}

void
launcher_build(struct launcher *l, const struct launch_message *msg)
{
    struct hearth_err err = {0};
    struct launcher_child *c = launcher_take_slot(l, LAUNCHER_BUILDER, msg->id, build_ended);
    int status;

    if (c == NULL)
        status = err_set(&err, EAGAIN, "%d builds run already", LAUNCHER_BUILDS);
    else
        status = start_builder(l, msg, c, &err);
    if (c != NULL && status == 0) {
        c->deadline_ms = clock_ms() + WALL_TIMES * l->build_ms;
        c->cpu_look_ms = 0;
        l->builds++;
        status = launcher_watch(l, c->pidfd, LAUNCHER_TAG_CHILD + launcher_slot_of(l, c));
        if (status == 0)
            return;
        (void)err_set(&err, -status, "watch a builder");
        l->builds--;
    }
    launcher_log_error(l, "a build could not be started: %s", err.text);
    send_built(l, msg->id, LAUNCH_BUILD_BROKEN, err.text, NULL);
    if (c != NULL)
        launcher_drop(l, c);
}

int
launcher_builds_check(struct launcher *l)
{
    int64_t now = clock_ms(), next = -1;

    for (uint32_t i = LIMIT_INSTANCES; l->builds > 0 && i < LIMIT_INSTANCES + LAUNCHER_BUILDS;
         i++) {
        struct launcher_child *c = &l->children[i];
        int64_t left;

        if (c->kind != LAUNCHER_BUILDER || c->asked)
            continue;
        left = time_left(l, c, now);
        if (left == 0) {
            c->asked = true;
            launcher_kill_child(c);
        } else if (next < 0 || left < next) {
            next = left;
        }
    }
    return (int)next;
}
