/* cgroup.c: common to cgroups v1 and v2: finds the controllers (with libcgroup), removes the groups
 * of a daemon that was killed, keeps the free list of leaves. */
#include "cgroup/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libcgroup.h>
#include <linux/magic.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "cleanup.h"
#include "limits.h"
#include "log.h"
#include "text.h"

#define GROUP_PREFIX "hearth-"

/* The kernel charges up to 64 pages at a time. */
#define KILL_SLACK (256 * 1024)

static const char *const controller_names[SBX_CONTROLLERS] = {
    [SBX_MEMORY] = "memory",
    [SBX_PIDS] = "pids",
    [SBX_CPU] = "cpu",
    [SBX_CPUACCT] = "cpuacct",
};

int
sbx_cgroup_write(int dir, const char *file, const char *text, struct hearth_err *err)
{
    cleanup_close int fd = openat(dir, file, O_WRONLY | O_CLOEXEC);

    if (fd < 0)
        return err_set(err, errno, "open %s of a control group", file);
    if (write(fd, text, strlen(text)) < 0)
        return err_set(err, errno, "write %s to %s of a control group", text, file);
    return 0;
}

int
sbx_cgroup_write_u64(int dir, const char *file, uint64_t value, struct hearth_err *err)
{
    char text[24];

    (void)snprintf(text, sizeof text, "%" PRIu64, value);
    return sbx_cgroup_write(dir, file, text, err);
}

int
sbx_cgroup_read_u64(int dir, const char *file, const char *key, uint64_t *value)
{
    cleanup_close int fd = openat(dir, file, O_RDONLY | O_CLOEXEC);
    char text[1024];
    ssize_t got;
    const char *at = text;

    if (fd < 0)
        return -errno;
    got = read(fd, text, sizeof text - 1);
    if (got < 0)
        return -errno;
    text[got] = '\0';
    for (size_t n = key != NULL ? strlen(key) : 0; key != NULL; at++) {
        if (starts_with(at, key) && at[n] == ' ') {
            at += n + 1;
            break;
        }
        at = strchr(at, '\n');
        if (at == NULL)
            return -ENOENT;
    }
    *value = strtoull(at, NULL, 10);
    return 0;
}

/* ---- finding the controllers ---- */

int
sbx_cgroup_own_path(const char *controllers, char *path, size_t n, struct hearth_err *err)
{
    cleanup_file FILE *file = fopen("/proc/self/cgroup", "re");
    char line[512];

    if (file == NULL)
        return err_set(err, errno, "open /proc/self/cgroup");
    while (fgets(line, sizeof line, file) != NULL) { /* "NUMBER:CONTROLLERS:/PATH" */
        char *named = strchr(line, ':'), *at = named != NULL ? strchr(named + 1, ':') : NULL;

        if (at == NULL)
            continue;
        *at = '\0';
        if (strcmp(named + 1, controllers) != 0)
            continue;
        at[1 + strcspn(at + 1, "\n")] = '\0';
        (void)snprintf(path, n, "%s", at + 1);
        return 0;
    }
    return err_set(err, ENOENT, "find our own group in /proc/self/cgroup");
}

static bool
is_v2(const char *path)
{
    struct statfs fs;

    return statfs(path, &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC;
}

static int
find_mount(struct sbx_cgroup_tree *tree, int i, struct hearth_err *err)
{
    char *path = NULL;

    if (cgroup_get_subsys_mount_point(controller_names[i], &path) != 0 || path == NULL)
        return err_set(err, ENODEV, "the %s controller of cgroups is not mounted",
                       controller_names[i]);
    (void)snprintf(tree->mount[i], sizeof tree->mount[i], "%s", path);
    free(path);
    return 0;
}

static int
choose_backend(struct sbx_cgroup_tree *tree, struct hearth_err *err)
{
    int status;

    if (cgroup_init() != 0)
        return err_set(err, ENODEV, "find the control groups of this host (libcgroup: %s)",
                       cgroup_strerror(cgroup_get_last_errno()));
    status = find_mount(tree, SBX_MEMORY, err);
    if (status < 0)
        return status;
    if (is_v2(tree->mount[SBX_MEMORY])) {
        tree->ops = &sbx_cgroup_v2;
        tree->hierarchies = 1;
        return 0;
    }
    tree->ops = &sbx_cgroup_v1;
    tree->hierarchies = SBX_CONTROLLERS;
    for (int i = SBX_PIDS; i < SBX_CONTROLLERS; i++)
        if ((status = find_mount(tree, i, err)) < 0)
            return status;
    return 0;
}

/* ---- removing groups ---- */

/* v2: in one step, which no fork can escape. v1: when the first process of a pid namespace is
 * killed, the kernel kills the others in it. */
static void
kill_all_in(int dir)
{
    cleanup_close int fd = -1;
    cleanup_file FILE *file = NULL;
    int pid;

    if (sbx_cgroup_write(dir, "cgroup.kill", "1", NULL) == 0) /* v2, since Linux 5.14 */
        return;
    fd = openat(dir, "cgroup.procs", O_RDONLY | O_CLOEXEC);
    file = fd >= 0 ? fdopen(fd, "r") : NULL;
    if (file == NULL)
        return;
    (void)take_fd(&fd);
    while (fscanf(file, "%d", &pid) == 1)
        if (pid > 0)
            (void)kill(pid, SIGKILL);
}

/* A killed process leaves its group a little later; until then rmdir fails with EBUSY. */
static void
remove_dir(int parent, const char *name)
{
    for (int tries = 0; unlinkat(parent, name, AT_REMOVEDIR) != 0 && errno == EBUSY; tries++) {
        if (tries == 200) {
            log_warning("control group %s is not removed: it is still in use", name);
            return;
        }
        (void)poll(NULL, 0, 10);
    }
}

/* One level deep: a top group, and leaves in it. */
static void
remove_group(int parent, const char *name)
{
    cleanup_close int top = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    cleanup_dir DIR *dir =
        top >= 0 ? fdopendir(openat(top, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) : NULL;

    for (struct dirent *e; dir != NULL && (e = readdir(dir)) != NULL;) {
        cleanup_close int leaf = -1;

        if (e->d_type != DT_DIR || e->d_name[0] == '.')
            continue;
        leaf = openat(top, e->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (leaf >= 0)
            kill_all_in(leaf);
        remove_dir(top, e->d_name);
    }
    remove_dir(parent, name);
}

/* The launcher that made the group holds a lock on it until it ends. For a launcher in another pid
 * namespace this is the only sign: its pid there means another process here, or none. */
static bool
is_held(int parent, const char *name)
{
    cleanup_close int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    return fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0;
}

/* Whether the pid is a launcher, in this pid namespace. */
static bool
is_launcher(long pid)
{
    char path[64], stat[128] = "";
    cleanup_close int fd = -1;

    (void)snprintf(path, sizeof path, "/proc/%ld/stat", pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    (void)!read(fd, stat, sizeof stat - 1);
    /* "pid (comm) state": a dead launcher may be a zombie for a while */
    return strstr(stat, "(hearth-launcher)") != NULL && strstr(stat, ") Z ") == NULL;
}

/* True if the launcher that made the group no longer runs. The lock is tried last: a launcher that
 * is just starting would find it taken. */
static bool
is_left_over(int parent, const char *name)
{
    long pid;
    char *end;

    if (!starts_with(name, GROUP_PREFIX))
        return false;
    pid = strtol(name + strlen(GROUP_PREFIX), &end, 10);
    if (*end != '\0' || pid <= 0 || (pid != getpid() && is_launcher(pid)))
        return false;
    return !is_held(parent, name);
}

static void
sweep(int parent)
{
    cleanup_dir DIR *dir = fdopendir(openat(parent, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));

    for (struct dirent *e; dir != NULL && (e = readdir(dir)) != NULL;) {
        if (e->d_type != DT_DIR || !is_left_over(parent, e->d_name))
            continue;
        log_info("removing control group %s of a daemon that was killed", e->d_name);
        remove_group(parent, e->d_name);
    }
}

/* ---- the tree ---- */

/* cpu and cpuacct are often one mount with two names: then there is one group and one lock. */
static bool
is_opened(const struct sbx_cgroup_tree *tree, int fd)
{
    struct stat st, other;

    for (int i = 0; i < tree->hierarchies; i++)
        if (tree->top[i] >= 0 && fstat(fd, &st) == 0 && fstat(tree->top[i], &other) == 0 &&
            st.st_dev == other.st_dev && st.st_ino == other.st_ino)
            return true;
    return false;
}

/* Another launcher may hold it for a moment, to see whether the group is left over. */
static int
take_lock(int fd)
{
    for (int tries = 0; flock(fd, LOCK_EX | LOCK_NB) != 0; tries++) {
        if (errno != EWOULDBLOCK || tries == 50)
            return -errno;
        (void)poll(NULL, 0, 10);
    }
    return 0;
}

/* A group of this name may belong to another launcher: in another pid namespace it can have the
 * same pid. */
static int
open_hierarchy(struct sbx_cgroup_tree *tree, int i, struct hearth_err *err)
{
    cleanup_close int parent = open(tree->mount[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    cleanup_close int top = -1;
    int status;

    if (parent < 0)
        return err_set(err, errno, "open %s", tree->mount[i]);
    if (mkdirat(parent, tree->name, 0755) != 0 && errno != EEXIST)
        return err_set(err, errno, "make control group %s in %s", tree->name, tree->mount[i]);
    top = openat(parent, tree->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (top < 0)
        return err_set(err, errno, "open control group %s in %s", tree->name, tree->mount[i]);
    status = is_opened(tree, top) ? 0 : take_lock(top);
    if (status < 0)
        return err_set(err, -status, "lock control group %s in %s (does another hearthd use it?)",
                       tree->name, tree->mount[i]);
    tree->top[i] = take_fd(&top);
    return 0;
}

static int
sweep_hierarchy(const struct sbx_cgroup_tree *tree, int i, struct hearth_err *err)
{
    cleanup_close int parent = open(tree->mount[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (parent < 0)
        return err_set(err, errno, "open %s", tree->mount[i]);
    sweep(parent);
    return 0;
}

/* Limits for all instances together, so that a compromised gateway cannot fill the memory of the
 * host with instances, and other processes of the host always get CPU time: on Linux 6.18, four
 * workers that woke the gateway all the time kept all other processes from running for up to 50
 * seconds; with this limit it was one second (docs/performance.md). */
static int
limit_tree(struct sbx_cgroup_tree *tree, struct hearth_err *err)
{
    uint64_t memory = sbx_cgroup_offered(tree);
    struct sbx_cgroup_tree_limits limits = {.memory = memory - memory / 16, .cores = 1};
    cpu_set_t cores;

    if (sched_getaffinity(0, sizeof cores, &cores) == 0)
        limits.cores = (uint32_t)CPU_COUNT(&cores);
    return tree->ops->tree_limit(tree, &limits, err);
}

static void
clear_tree(struct sbx_cgroup_tree *tree, uint32_t most_leaves)
{
    memset(tree, 0, sizeof *tree);
    tree->most = most_leaves;
    for (int i = 0; i < SBX_CONTROLLERS; i++)
        tree->top[i] = -1;
}

int
sbx_cgroup_tree_open_none(struct sbx_cgroup_tree *tree, uint32_t most_leaves,
                          struct hearth_err *err)
{
    clear_tree(tree, most_leaves);
    tree->ops = &sbx_cgroup_none;
    return tree->ops->tree_open(tree, err);
}

int
sbx_cgroup_tree_open(struct sbx_cgroup_tree *tree, uint32_t most_leaves, struct hearth_err *err)
{
    int status;

    clear_tree(tree, most_leaves);
    (void)snprintf(tree->name, sizeof tree->name, GROUP_PREFIX "%d", (int)getpid());
    status = choose_backend(tree, err);
    if (status == 0 && tree->ops->tree_open != NULL)
        status = tree->ops->tree_open(tree, err);
    /* all, before the first group is made: two hierarchies may be one mount */
    for (int i = 0; i < tree->hierarchies && status == 0; i++)
        status = sweep_hierarchy(tree, i, err);
    for (int i = 0; i < tree->hierarchies && status == 0; i++)
        status = open_hierarchy(tree, i, err);
    if (status == 0 && tree->hierarchies == 1)
        status =
            sbx_cgroup_write(tree->top[0], "cgroup.subtree_control", "+memory +pids +cpu", err);
    return status == 0 ? limit_tree(tree, err) : status;
}

void
sbx_cgroup_tree_close(struct sbx_cgroup_tree *tree)
{
    for (int i = 0; i < tree->hierarchies; i++) {
        cleanup_close int parent = -1;

        if (tree->top[i] < 0)
            continue;
        (void)close(take_fd(&tree->top[i]));
        parent = open(tree->mount[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (parent >= 0)
            remove_group(parent, tree->name);
    }
}

/* ---- leaves ---- */

/* Relative to the tree's group in a hierarchy. */
static void
leaf_path(char path[128], const struct sbx_cgroup *leaf, const char *file)
{
    (void)snprintf(path, 128, "%s/%s", leaf->name, file);
}

int
sbx_cgroup_leaf_open(const struct sbx_cgroup *leaf, int controller, const char *file, int flags)
{
    char path[128];

    leaf_path(path, leaf, file);
    return openat(leaf->tree->top[controller], path, flags | O_CLOEXEC);
}

bool
sbx_cgroup_leaf_has(const struct sbx_cgroup *leaf, int controller, const char *file)
{
    char path[128];

    leaf_path(path, leaf, file);
    return faccessat(leaf->tree->top[controller], path, W_OK, 0) == 0;
}

int
sbx_cgroup_leaf_write(const struct sbx_cgroup *leaf, int controller, const char *file,
                      const char *text, struct hearth_err *err)
{
    char path[128];

    leaf_path(path, leaf, file);
    return sbx_cgroup_write(leaf->tree->top[controller], path, text, err);
}

int
sbx_cgroup_leaf_write_u64(const struct sbx_cgroup *leaf, int controller, const char *file,
                          uint64_t value, struct hearth_err *err)
{
    char path[128];

    leaf_path(path, leaf, file);
    return sbx_cgroup_write_u64(leaf->tree->top[controller], path, value, err);
}

int
sbx_cgroup_leaf_read_u64(const struct sbx_cgroup *leaf, int controller, const char *file,
                         const char *key, uint64_t *value)
{
    char path[128];

    leaf_path(path, leaf, file);
    return sbx_cgroup_read_u64(leaf->tree->top[controller], path, key, value);
}

static int
make_leaf(struct sbx_cgroup_tree *tree, struct sbx_cgroup **leaf, struct hearth_err *err)
{
    cleanup_free struct sbx_cgroup *made = calloc(1, sizeof *made);
    int status;

    if (made == NULL)
        return err_set(err, ENOMEM, "make a control group");
    if (tree->made >= tree->most)
        return err_set(err, EMFILE,
                       "there are %u instances: the limit of open files allows no more",
                       tree->made);
    made->tree = tree;
    (void)snprintf(made->name, sizeof made->name, "i%04u", tree->made);
    for (int i = 0; i < tree->hierarchies; i++)
        if (mkdirat(tree->top[i], made->name, 0755) != 0 && errno != EEXIST)
            return err_set(err, errno, "make control group %s/%s", tree->name, made->name);
    status = tree->ops->leaf_open(made, err);
    if (status < 0)
        return status;
    tree->made++;
    *leaf = take_ptr(made);
    return 0;
}

static void
put_last(struct sbx_cgroup_tree *tree, struct sbx_cgroup *leaf)
{
    leaf->next = NULL;
    *(tree->free_last != NULL ? &tree->free_last->next : &tree->free) = leaf;
    tree->free_last = leaf;
}

/* A leaf that still holds memory of its last user (EBUSY), such as a memory file that another
 * process has open, goes to the end of the list. */
static int
take_used_leaf(struct sbx_cgroup_tree *tree, const struct sbx_cgroup_limits *limits,
               struct sbx_cgroup **leaf, struct hearth_err *err)
{
    struct sbx_cgroup *last = tree->free_last;
    int status = -EBUSY;

    for (struct sbx_cgroup *at = tree->free; at != NULL && status == -EBUSY; at = tree->free) {
        tree->free = at->next;
        if (tree->free == NULL)
            tree->free_last = NULL;
        status = tree->ops->leaf_reset(at, limits, err);
        if (status == 0)
            *leaf = at;
        else
            put_last(tree, at);
        if (at == last)
            break;
    }
    return status;
}

/* A number of a leaf's memory controller, or of the whole tree's (leaf: NULL); 0 if there is none.
 */
static uint64_t
memory_of(const struct sbx_cgroup_tree *tree, const struct sbx_cgroup *leaf, const char *file,
          const char *key)
{
    int controller = tree->ops->memory_controller;
    uint64_t number = 0;

    if (leaf != NULL)
        (void)sbx_cgroup_leaf_read_u64(leaf, controller, file, key, &number);
    else
        (void)sbx_cgroup_read_u64(tree->top[controller], file, key, &number);
    return number;
}

/* How often a group has met its own limit; 0 on v1. */
static uint64_t
times_met(const struct sbx_cgroup_tree *tree, const struct sbx_cgroup *leaf)
{
    const char *file = tree->ops->limit_events_file;

    return file != NULL ? memory_of(tree, leaf, file, "oom") : 0;
}

/* Most leaves have no cap and keep it so: this costs them nothing. */
static int
cap_cpu(struct sbx_cgroup *leaf, uint32_t most, struct hearth_err *err)
{
    int status = 0;

    if (leaf->cpu_most != most)
        status = leaf->tree->ops->cap_cpu(leaf, most, err);
    if (status == 0)
        leaf->cpu_most = most;
    return status;
}

int
sbx_cgroup_take(struct sbx_cgroup_tree *tree, const struct sbx_cgroup_limits *limits,
                struct sbx_cgroup **leaf, struct hearth_err *err)
{
    struct sbx_cgroup *taken = NULL;
    int status = take_used_leaf(tree, limits, &taken, err);

    if (status == -EBUSY) {
        status = make_leaf(tree, &taken, err);
        if (status == 0 && (status = tree->ops->leaf_reset(taken, limits, err)) < 0)
            put_last(tree, taken);
    }
    if (status < 0)
        return err_prefix(err, "layer \"memory\"");
    status = cap_cpu(taken, limits->cpu_most, err);
    if (status < 0) {
        put_last(tree, taken);
        return status;
    }
    taken->oom_base = 0;
    taken->oom_base = sbx_cgroup_oom_kills(taken);
    taken->met_base = times_met(tree, taken);
    taken->tree_met_base = times_met(tree, NULL);
    *leaf = taken;
    return 0;
}

void
sbx_cgroup_give(struct sbx_cgroup *leaf)
{
    struct sbx_cgroup_tree *tree = leaf->tree;

    if (tree->ops->leaf_clean != NULL)
        tree->ops->leaf_clean(leaf);
    leaf->next = tree->free;
    tree->free = leaf;
    if (tree->free_last == NULL)
        tree->free_last = leaf;
}

int
sbx_cgroup_set(struct sbx_cgroup *leaf, const struct sbx_cgroup_limits *limits,
               struct hearth_err *err)
{
    int status = leaf->tree->ops->set_memory(leaf, limits->memory, err);

    if (status == 0)
        status = leaf->tree->ops->set_cpu(leaf, limits->cpu_weight, err);
    return status == 0 ? cap_cpu(leaf, limits->cpu_most, err) : status;
}

int
sbx_cgroup_set_pids(const struct sbx_cgroup *leaf, uint32_t most, struct hearth_err *err)
{
    if (leaf->tree->hierarchies == 0)
        return err_set(err, ENOTSUP, "limit processes without control groups");
    return sbx_cgroup_leaf_write_u64(leaf, leaf->tree->hierarchies == 1 ? 0 : SBX_PIDS, "pids.max",
                                     most, err);
}

int
sbx_cgroup_move(const struct sbx_cgroup *leaf, int pid, struct hearth_err *err)
{
    int status = 0;

    for (int i = 0; i < leaf->tree->hierarchies && status == 0; i++)
        status = sbx_cgroup_leaf_write_u64(leaf, i, "cgroup.procs", (uint64_t)pid, err);
    return status;
}

int
sbx_cgroup_enter(const struct sbx_cgroup *leaf)
{
    if (leaf->tree->hierarchies <= 1)
        return 0;
    for (int i = 0; i < leaf->tree->hierarchies; i++) {
        cleanup_close int tasks = sbx_cgroup_leaf_open(leaf, i, "tasks", O_WRONLY);

        if (tasks < 0 || write(tasks, "0", 1) != 1)
            return -errno;
    }
    return 0;
}

int
sbx_cgroup_birth_fd(const struct sbx_cgroup *leaf)
{
    errno = 0;
    if (leaf->tree->hierarchies != 1)
        return -1;
    return openat(leaf->tree->top[0], leaf->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

uint32_t
sbx_cgroup_oom_kills(const struct sbx_cgroup *leaf)
{
    const struct sbx_cgroup_tree *tree = leaf->tree;

    return (uint32_t)memory_of(tree, leaf, tree->ops->oom_file, "oom_kill") - leaf->oom_base;
}

static bool
has_met_limit(const struct sbx_cgroup_tree *tree, const struct sbx_cgroup *leaf, uint64_t met_base)
{
    if (tree->ops->limit_events_file != NULL)
        return times_met(tree, leaf) > met_base;
    return memory_of(tree, leaf, tree->ops->peak_file, NULL) + KILL_SLACK >=
           memory_of(tree, leaf, tree->ops->limit_file, NULL);
}

enum sbx_killer
sbx_cgroup_killer(const struct sbx_cgroup *leaf)
{
    const struct sbx_cgroup_tree *tree = leaf->tree;

    if (has_met_limit(tree, leaf, leaf->met_base))
        return SBX_KILLER_LIMIT;
    if (!has_met_limit(tree, NULL, leaf->tree_met_base))
        return SBX_KILLER_HOST;
    if (tree->ops->limit_events_file == NULL) /* the next kill is to be told from this one */
        (void)sbx_cgroup_write(tree->top[tree->ops->memory_controller], tree->ops->peak_file, "0",
                               NULL);
    return SBX_KILLER_TREE;
}

uint64_t
sbx_cgroup_peak(const struct sbx_cgroup *leaf)
{
    return memory_of(leaf->tree, leaf, leaf->tree->ops->peak_file, NULL);
}

/* ---- the memory of the host ---- */

static uint64_t
limit_of(const char *group, bool v2)
{
    cleanup_close int dir = open(group, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    uint64_t bytes = 0;
    int status = dir < 0 ? -errno
                         : sbx_cgroup_read_u64(dir, v2 ? "memory.max" : "memory.stat",
                                               v2 ? NULL : "hierarchical_memory_limit", &bytes);

    return status == 0 && bytes > 0 ? bytes : UINT64_MAX; /* "max" reads as 0 */
}

uint64_t
sbx_cgroup_offered(const struct sbx_cgroup_tree *tree)
{
    bool v2 = tree->hierarchies == 1;
    uint64_t most = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    char own[512], group[1024], *mount = NULL;

    if (sbx_cgroup_own_path(v2 ? "" : "memory", own, sizeof own, NULL) < 0 ||
        cgroup_get_subsys_mount_point(controller_names[SBX_MEMORY], &mount) != 0)
        return most;
    for (;;) { /* a v1 group knows the smallest limit above it; a v2 group does not */
        uint64_t limit;

        (void)snprintf(group, sizeof group, "%s%s", mount, own);
        limit = limit_of(group, v2);
        most = limit < most ? limit : most;
        if (!v2 || strrchr(own, '/') == NULL || own[1] == '\0')
            break;
        *strrchr(own, '/') = '\0';
    }
    free(mount);
    return most;
}
