/* cgroup_v1.c: memory, pids, cpu and cpuacct, each a hierarchy.
 *
 * A child moves itself by writing 0 to "tasks", not to "cgroup.procs". It has one thread, so both
 * mean the same, but "tasks" needs no lock over all thread groups of the host, and no RCU grace
 * period. Measured for the four hierarchies together: 0.15 ms against 5 to 20 ms.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "cgroup/cgroup.h"

/* Memory that a free leaf may hold when it is used again: each core keeps some charges. */
#define LEFT_MOST (1024 * 1024)

static int
v1_leaf_open(struct sbx_cgroup *leaf, struct hearth_err *err)
{
    leaf->memsw = sbx_cgroup_leaf_has(leaf, SBX_MEMORY, "memory.memsw.limit_in_bytes");
    /* 0: the kernel drops file pages and does not swap the group out */
    return sbx_cgroup_leaf_write(leaf, SBX_MEMORY, "memory.swappiness", "0", err);
}

/* The limit holds for memory and swap together: otherwise a host with swap would allow more. The
 * kernel requires memory <= memory+swap at each step, so the order depends on the direction. */
static int
write_limits(struct sbx_cgroup *leaf, uint64_t bytes, struct hearth_err *err)
{
    bool memsw = leaf->memsw;
    uint64_t was = leaf->memory;
    int status = 0;

    leaf->memory = 0;
    if (was == 0)
        status = sbx_cgroup_leaf_read_u64(leaf, SBX_MEMORY, "memory.limit_in_bytes", NULL, &was);
    if (status < 0)
        return err_set(err, -status, "read the memory limit of %s", leaf->name);
    if (memsw && bytes > was) {
        status =
            sbx_cgroup_leaf_write_u64(leaf, SBX_MEMORY, "memory.memsw.limit_in_bytes", bytes, err);
        if (status < 0)
            return status;
    }
    status = sbx_cgroup_leaf_write_u64(leaf, SBX_MEMORY, "memory.limit_in_bytes", bytes, err);
    if (status == 0 && memsw && bytes <= was)
        status =
            sbx_cgroup_leaf_write_u64(leaf, SBX_MEMORY, "memory.memsw.limit_in_bytes", bytes, err);
    if (status == 0)
        leaf->memory = bytes;
    return status;
}

static int
v1_set_cpu(struct sbx_cgroup *leaf, uint32_t weight, struct hearth_err *err)
{
    uint64_t shares = (uint64_t)weight * 1024 / 1000;

    return sbx_cgroup_leaf_write_u64(leaf, SBX_CPU, "cpu.shares", shares < 2 ? 2 : shares, err);
}

/* More than the tree has is rejected (EINVAL): then that is the cap. */
static int
v1_cap_cpu(struct sbx_cgroup *leaf, uint32_t thousandths, struct hearth_err *err)
{
    int status =
        sbx_cgroup_leaf_write_u64(leaf, SBX_CPU, "cpu.cfs_period_us", SBX_CPU_PERIOD_US, err);

    if (status == 0 && thousandths > 0)
        status = sbx_cgroup_leaf_write_u64(leaf, SBX_CPU, "cpu.cfs_quota_us",
                                           (uint64_t)thousandths * (SBX_CPU_PERIOD_US / 1000), err);
    if ((status == 0 && thousandths == 0) || status == -EINVAL)
        status = sbx_cgroup_leaf_write(leaf, SBX_CPU, "cpu.cfs_quota_us", "-1", err);
    return status;
}

/* The kernel rejects (EINVAL) more than a group above has: then the most cores that it accepts. If
 * that group has less than one core, its limit is enough. */
static int
write_quota(int dir, uint32_t cores, struct hearth_err *err)
{
    int status = sbx_cgroup_write_u64(dir, "cpu.cfs_period_us", SBX_CPU_PERIOD_US, err);

    if (status != 0)
        return status;
    do
        status = sbx_cgroup_write_u64(dir, "cpu.cfs_quota_us", sbx_cgroup_tree_quota(cores), err);
    while (status == -EINVAL && --cores > 0);
    return status == -EINVAL ? 0 : status;
}

static int
v1_tree_limit(struct sbx_cgroup_tree *tree, const struct sbx_cgroup_tree_limits *limits,
              struct hearth_err *err)
{
    int status =
        sbx_cgroup_write_u64(tree->top[SBX_MEMORY], "memory.limit_in_bytes", limits->memory, err);

    return status == 0 ? write_quota(tree->top[SBX_CPU], limits->cores, err) : status;
}

/* Frees pages that are left in the group; a failure does no harm. It waits for a kernel worker on
 * each core: half a millisecond or more. */
static void
v1_leaf_clean(struct sbx_cgroup *leaf)
{
    (void)sbx_cgroup_leaf_write(leaf, SBX_MEMORY, "memory.force_empty", "0", NULL);
}

static int
v1_leaf_reset(struct sbx_cgroup *leaf, const struct sbx_cgroup_limits *limits,
              struct hearth_err *err)
{
    uint64_t left = 0;
    int status = sbx_cgroup_leaf_read_u64(leaf, SBX_MEMORY, "memory.usage_in_bytes", NULL, &left);

    if (status == 0 && left > LEFT_MOST)
        return err_set(err, EBUSY, "%s still holds %llu bytes of its last user", leaf->name,
                       (unsigned long long)left);
    status = write_limits(leaf, limits->memory, err);
    if (status == 0)
        status = sbx_cgroup_leaf_write(leaf, SBX_MEMORY, "memory.max_usage_in_bytes", "0", err);
    if (status == 0)
        status = sbx_cgroup_leaf_write_u64(leaf, SBX_PIDS, "pids.max", limits->pids, err);
    if (status == 0)
        status = v1_set_cpu(leaf, limits->cpu_weight, err);
    if (status == 0)
        status = sbx_cgroup_leaf_write(leaf, SBX_CPUACCT, "cpuacct.usage", "0", err);
    return status;
}

/* The kernel rejects (EBUSY) a limit below the current use. */
static int
v1_set_memory(struct sbx_cgroup *leaf, uint64_t bytes, struct hearth_err *err)
{
    return write_limits(leaf, bytes, err);
}

const struct sbx_cgroup_ops sbx_cgroup_v1 = {
    .kind = "v1",
    .tree_open = NULL,
    .tree_limit = v1_tree_limit,
    .leaf_open = v1_leaf_open,
    .leaf_reset = v1_leaf_reset,
    .leaf_clean = v1_leaf_clean,
    .set_memory = v1_set_memory,
    .set_cpu = v1_set_cpu,
    .cap_cpu = v1_cap_cpu,
    .memory_file = "memory.usage_in_bytes",
    .peak_file = "memory.max_usage_in_bytes",
    .cpu_file = "cpuacct.usage",
    .oom_file = "memory.oom_control",
    .limit_file = "memory.limit_in_bytes",
    .cpu_controller = SBX_CPUACCT,
    .memory_controller = SBX_MEMORY,
};
