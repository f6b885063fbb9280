/* cgroup_v2.c: the unified hierarchy. Children are born in their leaf.
 *
 * Where systemd delegated our own group to us (Delegate=yes), the tree stands
 * in it, and the launcher moves to a leaf of its own, since an inner node may
 * hold no process. Elsewhere the tree stands under the root of the hierarchy.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "cgroup/cgroup.h"
#include "cleanup.h"

static bool
is_delegated(const char *path)
{
    char value[8];

    return getxattr(path, "trusted.delegate", value, sizeof value) > 0 ||
           getxattr(path, "user.delegate", value, sizeof value) > 0;
}

/* Moves this process from the inner node to a leaf beside the instances' tree. */
static int
leave_inner_node(const char *group, struct hearth_err *err)
{
    cleanup_close int dir = open(group, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    cleanup_close int leaf = -1;

    if (dir < 0)
        return err_set(err, errno, "open %s", group);
    if (mkdirat(dir, "launcher", 0755) != 0 && errno != EEXIST)
        return err_set(err, errno, "make a leaf for the launcher in %s", group);
    leaf = openat(dir, "launcher", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (leaf < 0)
        return err_set(err, errno, "open the launcher's leaf in %s", group);
    return sbx_cgroup_write(leaf, "cgroup.procs", "0", err);
}

static int
v2_tree_open(struct sbx_cgroup_tree *tree, struct hearth_err *err)
{
    char own[512], group[sizeof tree->mount[0] + sizeof own];
    cleanup_close int dir = -1;
    int status = sbx_cgroup_own_path("", own, sizeof own, err);

    if (status < 0)
        return status;
    (void)snprintf(group, sizeof group, "%s%s", tree->mount[0], own);
    if (strcmp(own, "/") != 0 && is_delegated(group)) {
        status = leave_inner_node(group, err);
        if (status < 0)
            return status;
        if (strlen(group) >= sizeof tree->mount[0])
            return err_set(err, ENAMETOOLONG, "use control group %s", group);
        memcpy(tree->mount[0], group, strlen(group) + 1);
    }
    dir = open(tree->mount[0], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0)
        return err_set(err, errno, "open %s", tree->mount[0]);
    return sbx_cgroup_write(dir, "cgroup.subtree_control", "+memory +pids +cpu", err);
}

static int
v2_leaf_open(struct sbx_cgroup *leaf, struct hearth_err *err)
{
    /* no swap, where the host has any: the limit is the limit */
    if (faccessat(leaf->dir[0], "memory.swap.max", W_OK, 0) == 0 &&
        sbx_cgroup_write(leaf->dir[0], "memory.swap.max", "0", err) < 0)
        return err->code;
    return sbx_cgroup_write(leaf->dir[0], "memory.oom.group", "1", err);
}

/* memory.peak can be reset since Linux 6.12 only, and only for the descriptor
 * that wrote to it; so a used leaf is replaced by a fresh one of the same name. */
static int
fresh_leaf(struct sbx_cgroup *leaf, struct hearth_err *err)
{
    int top = leaf->tree->top[0];

    if (unlinkat(top, leaf->name, AT_REMOVEDIR) != 0 || mkdirat(top, leaf->name, 0755) != 0)
        return err_set(err, errno, "renew control group %s", leaf->name);
    (void)close(take_fd(&leaf->dir[0]));
    leaf->dir[0] = openat(top, leaf->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (leaf->dir[0] < 0)
        return err_set(err, errno, "open control group %s", leaf->name);
    return v2_leaf_open(leaf, err);
}

/* 100 is the usual weight. */
static int
write_weight(int dir, uint32_t thousandths, struct hearth_err *err)
{
    uint64_t weight = thousandths / 10;

    return sbx_cgroup_write_u64(dir, "cpu.weight",
                                weight < 1 ? 1 : (weight > 10000 ? 10000 : weight), err);
}

static int
v2_tree_limit(struct sbx_cgroup_tree *tree, const struct sbx_cgroup_tree_limits *limits,
              struct hearth_err *err)
{
    char quota[48];
    int status = sbx_cgroup_write_u64(tree->top[0], "memory.max", limits->memory, err);

    (void)snprintf(quota, sizeof quota, "%llu %d",
                   (unsigned long long)sbx_cgroup_tree_quota(limits->cores), SBX_CPU_PERIOD_US);
    return status == 0 ? sbx_cgroup_write(tree->top[0], "cpu.max", quota, err) : status;
}

static int
v2_set_cpu(struct sbx_cgroup *leaf, uint32_t thousandths, struct hearth_err *err)
{
    return write_weight(leaf->dir[0], thousandths, err);
}

static int
v2_leaf_reset(struct sbx_cgroup *leaf, const struct sbx_cgroup_limits *limits,
              struct hearth_err *err)
{
    uint64_t peak = 0;
    int status = 0;

    (void)sbx_cgroup_read_u64(leaf->dir[0], "memory.peak", NULL, &peak);
    if (peak > 0)
        status = fresh_leaf(leaf, err);
    if (status == 0)
        status = sbx_cgroup_write_u64(leaf->dir[0], "memory.max", limits->memory, err);
    if (status == 0)
        status = sbx_cgroup_write_u64(leaf->dir[0], "pids.max", limits->pids, err);
    if (status == 0)
        status = v2_set_cpu(leaf, limits->cpu_weight, err);
    return status;
}

/* A memory.max below the present use makes the kernel kill. memory.high reclaims
 * and never kills: so first that, then a look at what is left, then the limit. */
static int
v2_set_memory(struct sbx_cgroup *leaf, uint64_t bytes, struct hearth_err *err)
{
    uint64_t now = 0;
    int status = sbx_cgroup_write_u64(leaf->dir[0], "memory.high", bytes, err);

    if (status < 0)
        return status;
    if (sbx_cgroup_read_u64(leaf->dir[0], "memory.current", NULL, &now) == 0 && now > bytes)
        status = err_set(err, EBUSY, "%s uses more than that", leaf->name);
    else
        status = sbx_cgroup_write_u64(leaf->dir[0], "memory.max", bytes, err);
    (void)sbx_cgroup_write(leaf->dir[0], "memory.high", "max", NULL);
    return status;
}

const struct sbx_cgroup_ops sbx_cgroup_v2 = {
    .kind = "v2",
    .tree_open = v2_tree_open,
    .tree_limit = v2_tree_limit,
    .leaf_open = v2_leaf_open,
    .leaf_reset = v2_leaf_reset,
    .set_memory = v2_set_memory,
    .set_cpu = v2_set_cpu,
    .memory_file = "memory.current",
    .peak_file = "memory.peak",
    .cpu_file = "cpu.stat",
    .oom_file = "memory.events",
    .cpu_controller = 0,
    .memory_controller = 0,
};
