/* spawn.c: starts a sandboxed process: cgroup, namespaces, root, limits, user, and only then the
 * program, which never runs with privilege or outside its group.
 */
#include "launcher/spawn.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "capabilities.h"
#include "cleanup.h"
#include "inherit.h"
#include "signals.h"

#define NAMESPACES (CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS)
#define FDS_FIXED  INHERIT_WORKER_BELLS
#define BUILD_TMP  4   /* a builder's /tmp holds so many of the largest files */
#define FDS_SPARE  256 /* where they are moved to first, out of the way */

static_assert(INHERIT_BUILDER_CONTROL == (int)INHERIT_WORKER_CONTROL, "one place for both");
static_assert(INHERIT_BUILDER_OBJECT == (int)INHERIT_WORKER_CHANNEL, "sbx_inherit.first");
static_assert(FDS_SPARE > INHERIT_WORKER_BROKER, "out of the way of all");
static_assert(INHERIT_WORKER_BROKER == INHERIT_WORKER_BELLS + LIMIT_THREADS, "the open files end");

/* Puts the inherited descriptors at 0 and up. All descriptors that are still needed are moved to
 * high numbers first, so that no target overwrites a source. */
static int
arrange_fds(struct sbx_spawn *spawn, struct hearth_err *err)
{
    struct sbx_inherit *in = &spawn->inherit;
    int from[FDS_FIXED + LIMIT_THREADS] = {in->input,
                                           in->output,
                                           in->output,
                                           [INHERIT_WORKER_CONTROL] = in->control,
                                           [INHERIT_WORKER_CHANNEL] = in->first,
                                           [INHERIT_WORKER_FILTERS] = in->filters};
    int count = FDS_FIXED + in->bells_count;

    for (int i = INHERIT_WORKER_COUNT; i < FDS_FIXED; i++)
        from[i] = -1;
    if (spawn->source >= 0) {
        from[INHERIT_BUILDER_PLAN] = in->plan;
        from[INHERIT_BUILDER_CACHE] = in->cache;
        from[INHERIT_BUILDER_KEPT] = in->kept;
    }
    memcpy(from + FDS_FIXED, in->bells, (size_t)in->bells_count * sizeof in->bells[0]);
    for (int i = 0; i < count; i++)
        if (from[i] >= 0 && (from[i] = fcntl(from[i], F_DUPFD_CLOEXEC, FDS_SPARE)) < 0)
            return err_set(err, errno, "move a descriptor");
    if (spawn->source < 0 && in->broker >= 0 &&
        (in->broker = fcntl(in->broker, F_DUPFD_CLOEXEC, FDS_SPARE)) < 0)
        return err_set(err, errno, "move a descriptor");
    in->control = from[INHERIT_WORKER_CONTROL];
    spawn->program = fcntl(spawn->program, F_DUPFD_CLOEXEC, FDS_SPARE);
    spawn->life = fcntl(spawn->life, F_DUPFD_CLOEXEC, FDS_SPARE);
    if (spawn->program < 0 || spawn->life < 0)
        return err_set(err, errno, "move a descriptor");
    for (int i = 0; i < count; i++)
        if (from[i] >= 0 && dup2(from[i], i) < 0)
            return err_set(err, errno, "arrange descriptor %d", i);
    if (spawn->source < 0 && in->broker >= 0 && dup2(in->broker, INHERIT_WORKER_BROKER) < 0)
        return err_set(err, errno, "arrange the socket to the broker");
    return 0;
}

/* execve closes all others. */
static int
close_others_on_exec(const struct sbx_spawn *spawn, struct hearth_err *err)
{
    bool builder = spawn->source >= 0;
    unsigned none = builder ? INHERIT_BUILDER_COUNT : INHERIT_WORKER_COUNT;
    unsigned bells = INHERIT_WORKER_BELLS, behind = bells + (unsigned)spawn->inherit.bells_count;
    unsigned broker = INHERIT_WORKER_BROKER;

    if ((!builder && (syscall(SYS_close_range, none, bells - 1, CLOSE_RANGE_CLOEXEC) != 0 ||
                      (behind < broker &&
                       syscall(SYS_close_range, behind, broker - 1, CLOSE_RANGE_CLOEXEC) != 0))) ||
        syscall(SYS_close_range, builder ? none : broker + (spawn->inherit.broker >= 0), ~0U,
                CLOSE_RANGE_CLOEXEC) != 0)
        return err_set(err, errno, "close what is not the child's");
    return 0;
}

/* If root may not raise it (a container without CAP_SYS_RESOURCE), the tighter limit that the
 * daemon was started with stays. */
static int
set_limit(int what, rlim_t value, rlim_t most)
{
    struct rlimit wanted = {.rlim_cur = value, .rlim_max = most}, now;

    if (setrlimit((__rlimit_resource_t)what, &wanted) == 0)
        return 0;
    if (errno != EPERM || getrlimit((__rlimit_resource_t)what, &now) != 0)
        return -errno;
    now.rlim_cur = now.rlim_max;
    return setrlimit((__rlimit_resource_t)what, &now) == 0 ? 0 : -errno;
}

static int
set_limits(const struct sbx_spawn *spawn, struct hearth_err *err)
{
    const struct {
        int what;
        rlim_t value;
    } limits[] = {
        /* not 0: that does not stop a handler of core dumps (kernel.core_pattern with '|'). 1
         * does, and is too small for a file (fs/coredump.c) */
        {RLIMIT_CORE, 1},
        {RLIMIT_NOFILE, INHERIT_WORKER_BROKER},
        {RLIMIT_MEMLOCK, 0},
        {RLIMIT_MSGQUEUE, 0},
        {RLIMIT_RTPRIO, 0},
        {RLIMIT_NICE, 0},
        {RLIMIT_SIGPENDING, 64},
        {RLIMIT_FSIZE, spawn->file_bytes},
        {RLIMIT_STACK, LAUNCHER_STACK},
        {RLIMIT_CPU, spawn->cpu_seconds > 0 ? spawn->cpu_seconds : RLIM_INFINITY},
    };

    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        /* a template's forks: see worker/template.c */
        bool later = limits[i].what == RLIMIT_NOFILE && spawn->pids >= 0;
        int status = set_limit(limits[i].what, limits[i].value, limits[i].value + later);

        if (status < 0)
            return err_set(err, -status, "layer \"rlimits\": limit %d", limits[i].what);
    }
    return 0;
}

static int
drop_privilege(const struct sbx_spawn *spawn, struct hearth_err *err)
{
    int status = capabilities_drop(spawn->uid, spawn->uid, err);

    if (status < 0)
        return status;
    /* after the change of user, which clears it. If the launcher died before this, no signal
     * comes: hence the poll */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0)
        return err_set(err, errno, "end the child with the launcher");
    if (poll(&(struct pollfd){.fd = spawn->life, .events = POLLIN}, 1, 0) != 0)
        _exit(INHERIT_EXIT_BROKEN);
    return 0;
}

/* The daemon may be protected from the OOM killer; its children must not be: an instance over its
 * limit would stall instead of being killed. */
static int
allow_oom_kill(struct hearth_err *err)
{
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

    if (fd < 0 || write(fd, "500", 3) != 3)
        return err_set(err, errno, "layer \"memory\": allow the OOM killer to end this process");
    (void)close(fd);
    return 0;
}

static int
enter_sandbox(struct sbx_spawn *spawn, struct hearth_err *err)
{
    int status = sbx_cgroup_enter(spawn->leaf);

    if (status < 0)
        return err_set(err, -status, "layer \"cgroup\": enter %s", spawn->leaf->name);
    status = signals_reset(err);
    if (status == 0)
        status = allow_oom_kill(err);
    if (status == 0)
        status = spawn->source >= 0
                     ? sbx_jail_enter_builder(spawn->jail, BUILD_TMP * spawn->file_bytes, err)
                     : sbx_jail_enter_worker(spawn->jail, spawn->file_bytes, spawn->uid,
                                             spawn->files, err);
    if (status == 0)
        status = arrange_fds(spawn, err);
    if (status == 0)
        status = close_others_on_exec(spawn, err);
    if (status == 0)
        status = set_limits(spawn, err);
    if (status == 0)
        status = drop_privilege(spawn, err);
    return status;
}

static _Noreturn void
child(struct sbx_spawn spawn)
{
    static char *const no_env[] = {NULL};
    struct hearth_err err = {0};

    if (spawn.pids >= 0 && setpgid(0, 1) != 0) /* of the namespace's first process: see zone.c */
        (void)err_set(&err, errno, "enter the process group of a zone");
    else if (enter_sandbox(&spawn, &err) == 0) {
        (void)syscall(SYS_execveat, spawn.program, "", spawn.argv, no_env, AT_EMPTY_PATH);
        (void)err_set(&err, errno, "execute %s", spawn.argv[0]);
    }
    (void)!write(spawn.inherit.control, err.text, strlen(err.text));
    _exit(INHERIT_EXIT_BROKEN);
}

/* clone3; into a pid namespace, which this process has as that of its children only meanwhile. */
static long
clone_into(int pids, struct clone_args *args)
{
    cleanup_close int own = pids >= 0 ? open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC) : -1;
    long pid;

    if (pids >= 0 && (own < 0 || setns(pids, CLONE_NEWPID) != 0))
        return -1;
    pid = syscall(SYS_clone3, args, sizeof *args);
    if (pid != 0 && pids >= 0 && setns(own, CLONE_NEWPID) != 0)
        abort(); /* it is its own: this cannot fail */
    return pid;
}

int
sbx_spawn(const struct sbx_spawn *spawn, pid_t *pid, int *pidfd, struct hearth_err *err)
{
    cleanup_close int group = sbx_cgroup_birth_fd(spawn->leaf);
    int made_pidfd = -1;
    struct clone_args args = {
        .flags = NAMESPACES | CLONE_PIDFD,
        .pidfd = (uint64_t)(uintptr_t)&made_pidfd,
        .exit_signal = SIGCHLD,
    };
    long child_pid;

    if (spawn->pids >= 0)
        args.flags &= ~(uint64_t)CLONE_NEWPID;
    if (group < 0 && errno != 0)
        return err_set(err, errno, "layer \"cgroup\": open %s", spawn->leaf->name);
    if (group >= 0) {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = (uint64_t)group;
    }
    if (spawn->source >= 0 && fchdir(spawn->source) != 0)
        return err_set(err, errno, "enter the sources");
    child_pid = clone_into(spawn->pids, &args);
    if (child_pid == 0)
        child(*spawn);
    if (spawn->source >= 0)
        (void)!chdir("/");
    if (child_pid < 0)
        return err_set(err, errno, "layer \"namespaces\": start a process in new ones");
    *pid = (pid_t)child_pid;
    *pidfd = made_pidfd;
    return 0;
}
