/* spawn.c: the birth of a sandboxed process: cgroup, namespaces, root, limits,
 * user, and only then the program. It never runs a line with privilege, nor
 * outside its group.
 */
#include "launcher/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "signals.h"

#define NAMESPACES (CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS)
#define FDS_FIXED  6   /* descriptors of a worker besides its bells */
#define FDS_BUILT  5   /* of a builder */
#define FDS_SPARE  256 /* where they are moved to first, out of the way */

/* Puts the inherited descriptors at 0 and up. All that is needed later is moved out of
 * the way first, so that no target overwrites a source. */
static int
place_fds(struct sbx_spawn *spawn, struct hearth_err *err)
{
    struct sbx_inherit *in = &spawn->inherit;
    int from[FDS_FIXED + LIMIT_THREADS] = {in->input,   in->output, in->output,
                                           in->control, in->first,  in->filters};
    int count = FDS_FIXED + in->bells_count;

    memcpy(from + FDS_FIXED, in->bells, (size_t)in->bells_count * sizeof in->bells[0]);
    for (int i = 0; i < count; i++)
        if (from[i] >= 0 && (from[i] = fcntl(from[i], F_DUPFD_CLOEXEC, FDS_SPARE)) < 0)
            return err_set(err, errno, "move a descriptor");
    in->control = from[3];
    spawn->program = fcntl(spawn->program, F_DUPFD_CLOEXEC, FDS_SPARE);
    spawn->life = fcntl(spawn->life, F_DUPFD_CLOEXEC, FDS_SPARE);
    if (spawn->program < 0 || spawn->life < 0)
        return err_set(err, errno, "move a descriptor");
    for (int i = 0; i < count; i++)
        if (from[i] >= 0 && dup2(from[i], i) < 0)
            return err_set(err, errno, "place descriptor %d", i);
    return 0;
}

/* Everything but the program is closed at its start. */
static int
mark_the_rest(const struct sbx_spawn *spawn, struct hearth_err *err)
{
    int none = spawn->source >= 0 ? FDS_BUILT : FDS_FIXED + spawn->inherit.bells_count;

    if (syscall(SYS_close_range, none, ~0U, CLOSE_RANGE_CLOEXEC) != 0)
        return err_set(err, errno, "close what is not the child's");
    return 0;
}

/* Where root itself may not widen it (a container without CAP_SYS_RESOURCE), a tighter limit of
 * whoever started the daemon stays. */
static int
set_limit(int what, rlim_t value)
{
    struct rlimit wanted = {.rlim_cur = value, .rlim_max = value}, now;

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
        /* not 0, which does not hold back a program for crashes (kernel.core_pattern with
         * '|'): 1 does, and is too little for a file (fs/coredump.c) */
        {RLIMIT_CORE, 1},
        {RLIMIT_NOFILE, 64 + LIMIT_THREADS},
        {RLIMIT_MEMLOCK, 0},
        {RLIMIT_MSGQUEUE, 0},
        {RLIMIT_RTPRIO, 0},
        {RLIMIT_NICE, 0},
        {RLIMIT_SIGPENDING, 64},
        {RLIMIT_FSIZE, spawn->file_bytes},
        {RLIMIT_STACK, 8 << 20},
        {RLIMIT_CPU, spawn->cpu_seconds > 0 ? spawn->cpu_seconds : RLIM_INFINITY},
    };

    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        int status = set_limit(limits[i].what, limits[i].value);

        if (status < 0)
            return err_set(err, -status, "wall \"rlimits\": limit %d", limits[i].what);
    }
    return 0;
}

static int
drop_privilege(const struct sbx_spawn *spawn, struct hearth_err *err)
{
    for (int cap = 0; cap <= CAP_LAST_CAP; cap++)
        if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) != 0 && errno != EINVAL)
            return err_set(err, errno, "wall \"capabilities\": drop %d", cap);
    if (setgroups(0, NULL) != 0 || setresgid(spawn->uid, spawn->uid, spawn->uid) != 0 ||
        setresuid(spawn->uid, spawn->uid, spawn->uid) != 0)
        return err_set(err, errno, "wall \"user\": become %u", (unsigned)spawn->uid);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return err_set(err, errno, "wall \"no-new-privs\"");
    /* after the change of user, which clears it; a worker whose launcher died in
     * between must not live on, hence the look at its pidfd */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0)
        return err_set(err, errno, "tie the child's life to the launcher's");
    if (poll(&(struct pollfd){.fd = spawn->life, .events = POLLIN}, 1, 0) != 0)
        _exit(SBX_SPAWN_FAILED);
    return 0;
}

/* A daemon that the kernel may not kill for memory has children that it may: else
 * a limit that cannot be kept would stall the instance instead of ending it. */
static int
be_killable(struct hearth_err *err)
{
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

    if (fd < 0 || write(fd, "500", 3) != 3)
        return err_set(err, errno, "wall \"memory\": let the kernel end this process");
    (void)close(fd);
    return 0;
}

static int
descend(struct sbx_spawn *spawn, struct hearth_err *err)
{
    int status = sbx_cgroup_enter(spawn->leaf);

    if (status < 0)
        return err_set(err, -status, "wall \"cgroup\": enter %s", spawn->leaf->name);
    status = signals_reset(err);
    if (status == 0)
        status = be_killable(err);
    if (status == 0)
        status = spawn->source >= 0
                     ? sbx_jail_enter_builder(spawn->jail, spawn->file_bytes, err)
                     : sbx_jail_enter_worker(spawn->jail, spawn->file_bytes, spawn->uid, err);
    if (status == 0)
        status = place_fds(spawn, err);
    if (status == 0)
        status = mark_the_rest(spawn, err);
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

    if (descend(&spawn, &err) == 0) {
        (void)syscall(SYS_execveat, spawn.program, "", spawn.argv, no_env, AT_EMPTY_PATH);
        (void)err_set(&err, errno, "execute %s", spawn.argv[0]);
    }
    (void)!write(spawn.inherit.control, err.text, strlen(err.text));
    _exit(SBX_SPAWN_FAILED);
}

int
sbx_spawn(const struct sbx_spawn *spawn, pid_t *pid, int *pidfd, struct hearth_err *err)
{
    int birth = sbx_cgroup_birth_fd(spawn->leaf);
    int made = -1;
    struct clone_args args = {
        .flags = NAMESPACES | CLONE_PIDFD,
        .pidfd = (uint64_t)(uintptr_t)&made,
        .exit_signal = SIGCHLD,
    };
    long born;

    if (birth >= 0) {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = (uint64_t)birth;
    }
    if (spawn->source >= 0 && fchdir(spawn->source) != 0)
        return err_set(err, errno, "enter the sources");
    born = syscall(SYS_clone3, &args, sizeof args);
    if (born == 0)
        child(*spawn);
    if (spawn->source >= 0)
        (void)!chdir("/");
    if (born < 0)
        return err_set(err, errno, "wall \"namespaces\": make a process in fresh ones");
    *pid = (pid_t)born;
    *pidfd = made;
    return 0;
}
