/* cgroup_v2.c: the unified hierarchy. Children are started in their leaf.
 *
 * If systemd delegated our group to us (Delegate=yes), the tree is made in it, and the launcher
 * moves to a leaf, since an inner node must not hold processes. If not, the tree is made under the
 * root of the hierarchy.
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

/* Moves this process from the inner node to a leaf next to the tree. */
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
    /* no swap, if the host has any: the limit is for memory and swap together */
    if (sbx_cgroup_leaf_has(leaf, 0, "memory.swap.max") &&
        sbx_cgroup_leaf_write(leaf, 0, "memory.swap.max", "0", err) < 0)
        return err->code;
    leaf->oom_kills_one = false;
    return sbx_cgroup_leaf_write(leaf, 0, "memory.oom.group", "1", err);
}

static int
set_oom(struct sbx_cgroup *leaf, bool kills_one, struct hearth_err *err)
{
    if (leaf->oom_kills_one == kills_one)
        return 0;
    leaf->oom_kills_one = kills_one;
    return sbx_cgroup_leaf_write(leaf, 0, "memory.oom.group", kills_one ? "0" : "1", err);
}

/* memory.peak can be reset only since Linux 6.12, and only for the descriptor that wrote to it. So
 * a used leaf is replaced by a new one of the same name. */
static int
fresh_leaf(struct sbx_cgroup *leaf, struct hearth_err *err)
{
    int top = leaf->tree->top[0];

    if (unlinkat(top, leaf->name, AT_REMOVEDIR) != 0 || mkdirat(top, leaf->name, 0755) != 0)
        return err_set(err, errno, "renew control group %s", leaf->name);
    leaf->cpu_most = 0;
    return v2_leaf_open(leaf, err);
}

static int
v2_cap_cpu(struct sbx_cgroup *leaf, uint32_t thousandths, struct hearth_err *err)
{
    char cap[48];

    (void)snprintf(cap, sizeof cap, "%llu %d",
                   (unsigned long long)thousandths * (SBX_CPU_PERIOD_US / 1000), SBX_CPU_PERIOD_US);
    return sbx_cgroup_leaf_write(leaf, 0, "cpu.max", thousandths > 0 ? cap : "max", err);
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

/* 1 to 10000; only leaves are weighed against each other. */
static int
v2_set_cpu(struct sbx_cgroup *leaf, uint32_t weight, struct hearth_err *err)
{
    return sbx_cgroup_leaf_write_u64(leaf, 0, "cpu.weight",
                                     weight < 1 ? 1 : (weight > 10000 ? 10000 : weight), err);
}

static int
v2_leaf_reset(struct sbx_cgroup *leaf, const struct sbx_cgroup_limits *limits,
              struct hearth_err *err)
{
    uint64_t peak = 0;
    int status = 0;

    (void)sbx_cgroup_leaf_read_u64(leaf, 0, "memory.peak", NULL, &peak);
    if (peak > 0)
        status = fresh_leaf(leaf, err);
    if (status == 0)
        status = sbx_cgroup_leaf_write_u64(leaf, 0, "memory.max", limits->memory, err);
    if (status == 0)
        status = sbx_cgroup_leaf_write_u64(leaf, 0, "pids.max", limits->pids, err);
    if (status == 0)
        status = v2_set_cpu(leaf, limits->cpu_weight, err);
    return status == 0 ? set_oom(leaf, limits->oom_kills_one, err) : status;
}

/* With memory.max below the current use, the kernel kills. memory.high reclaims and does not kill:
 * so set that first, read what is left, then set the limit. */
static int
v2_set_memory(struct sbx_cgroup *leaf, uint64_t bytes, struct hearth_err *err)
{
    uint64_t now = 0;
    int status = sbx_cgroup_leaf_write_u64(leaf, 0, "memory.high", bytes, err);

    if (status < 0)
        return status;
    if (sbx_cgroup_leaf_read_u64(leaf, 0, "memory.current", NULL, &now) == 0 && now > bytes)
        status = err_set(err, EBUSY, "%s uses more than the new limit", leaf->name);
    else
        status = sbx_cgroup_leaf_write_u64(leaf, 0, "memory.max", bytes, err);
    (void)sbx_cgroup_leaf_write(leaf, 0, "memory.high", "max", NULL);
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
    .cap_cpu = v2_cap_cpu,
    .memory_file = "memory.current",
    .peak_file = "memory.peak",
    .cpu_file = "cpu.stat",
    .oom_file = "memory.events",
    .limit_events_file = "memory.events.local",
    .limit_file = "memory.max",
    .cpu_controller = 0,
    .memory_controller = 0,
};
