/* cgroup_none.c: no control groups: for hosts without them, where --insecure says so. Leaves are
 * folders of a tmpfs of our own, with files that say 0: nothing is limited and nothing is measured.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cgroup/cgroup.h"
#include "cleanup.h"

static const char *const files[] = {"memory", "peak", "cpu", "events", "limit"};

static int
tree_open(struct sbx_cgroup_tree *tree, struct hearth_err *err)
{
    cleanup_close int fs = fsopen("tmpfs", FSOPEN_CLOEXEC);

    if (fs < 0 || fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) != 0)
        return err_set(err, errno, "make a tmpfs");
    tree->top[SBX_MEMORY] = fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NOSUID);
    return tree->top[SBX_MEMORY] >= 0 ? 0 : err_set(err, errno, "mount a tmpfs");
}

static int
tree_limit(struct sbx_cgroup_tree *tree, const struct sbx_cgroup_tree_limits *limits,
           struct hearth_err *err)
{
    (void)tree;
    (void)limits;
    (void)err;
    return 0;
}

static int
leaf_open(struct sbx_cgroup *leaf, struct hearth_err *err)
{
    int top = leaf->tree->top[SBX_MEMORY];
    cleanup_close int dir = -1;

    if (mkdirat(top, leaf->name, 0755) != 0 && errno != EEXIST)
        return err_set(err, errno, "make a folder");
    dir = openat(top, leaf->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (size_t i = 0; dir >= 0 && i < sizeof files / sizeof files[0]; i++) {
        cleanup_close int fd = openat(dir, files[i], O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

        if (fd < 0 || write(fd, "0\n", 2) != 2)
            return err_set(err, errno, "make a file");
    }
    return dir >= 0 ? 0 : err_set(err, errno, "open a folder");
}

static int
leaf_reset(struct sbx_cgroup *leaf, const struct sbx_cgroup_limits *limits, struct hearth_err *err)
{
    (void)leaf;
    (void)limits;
    (void)err;
    return 0;
}

static int
set_memory(struct sbx_cgroup *leaf, uint64_t bytes, struct hearth_err *err)
{
    (void)leaf;
    (void)bytes;
    (void)err;
    return 0;
}

static int
set_cpu(struct sbx_cgroup *leaf, uint32_t value, struct hearth_err *err)
{
    (void)leaf;
    (void)value;
    (void)err;
    return 0;
}

const struct sbx_cgroup_ops sbx_cgroup_none = {
    .kind = "none",
    .tree_open = tree_open,
    .tree_limit = tree_limit,
    .leaf_open = leaf_open,
    .leaf_reset = leaf_reset,
    .set_memory = set_memory,
    .set_cpu = set_cpu,
    .cap_cpu = set_cpu,
    .memory_file = "memory",
    .peak_file = "peak",
    .cpu_file = "cpu",
    .oom_file = "events",
    .limit_file = "limit",
    .cpu_controller = SBX_MEMORY,
    .memory_controller = SBX_MEMORY,
};
