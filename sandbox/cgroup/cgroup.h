/* cgroup.h: one control group per instance ("leaf"), with cgroups v1 and v2. Leaves are made once
 * and used again: removing one is slow, and leaves a dying group in the kernel.
 */
#ifndef SANDBOX_CGROUP_H
#define SANDBOX_CGROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

struct sbx_cgroup_tree;

struct sbx_cgroup_limits {
    uint64_t memory;     /* bytes */
    uint32_t pids;       /* processes and threads together */
    uint32_t cpu_weight; /* 1000 is that of 1 GiB of memory */
    uint32_t cpu_most;   /* thousandths of a core; 0: no cap */
    bool oom_kills_one;  /* v2: out of memory, the kernel kills one process and not all; as on v1 */
};

/* A v1 leaf has a directory in each of these hierarchies; a v2 leaf has one directory. A leaf holds
 * no descriptor: with thousands of leaves, each child would begin with a copy of them all. */
enum sbx_controller { SBX_MEMORY, SBX_PIDS, SBX_CPU, SBX_CPUACCT, SBX_CONTROLLERS };

struct sbx_cgroup {
    struct sbx_cgroup *next; /* in the tree's free list */
    struct sbx_cgroup_tree *tree;
    char name[16];
    uint32_t oom_base;                /* kills before this use */
    uint64_t met_base, tree_met_base; /* see sbx_cgroup_killer */
    bool oom_kills_one;               /* as it is set now */
    uint64_t memory;                  /* v1: the limit written last; 0: not known */
    uint32_t cpu_most;                /* as it is set now */
    bool memsw;                       /* v1: memory and swap together can be limited */
};

/* All instances and builders together. */
struct sbx_cgroup_tree_limits {
    uint64_t memory; /* bytes */
    uint32_t cores;  /* they may use SBX_TREE_CPU percent of the time of this many */
};

#define SBX_TREE_CPU      95
#define SBX_CPU_PERIOD_US 100000

/* Microseconds in each period. */
static inline uint64_t
sbx_cgroup_tree_quota(uint32_t cores)
{
    return (uint64_t)SBX_CPU_PERIOD_US * SBX_TREE_CPU / 100 * cores;
}

/* What differs between v1 and v2. All return 0 or a negative errno. */
struct sbx_cgroup_ops {
    const char *kind; /* "v1", "v2" or "none" */
    int (*tree_open)(struct sbx_cgroup_tree *tree, struct hearth_err *err);
    int (*tree_limit)(struct sbx_cgroup_tree *tree, const struct sbx_cgroup_tree_limits *limits,
                      struct hearth_err *err);
    int (*leaf_open)(struct sbx_cgroup *leaf, struct hearth_err *err);
    /* -EBUSY: it still holds memory of its last user */
    int (*leaf_reset)(struct sbx_cgroup *leaf, const struct sbx_cgroup_limits *limits,
                      struct hearth_err *err);
    void (*leaf_clean)(
        struct sbx_cgroup *leaf); /* after a use; slow, so not on the path of a call */
    int (*set_memory)(struct sbx_cgroup *leaf, uint64_t bytes, struct hearth_err *err);
    int (*set_cpu)(struct sbx_cgroup *leaf, uint32_t weight, struct hearth_err *err);
    int (*cap_cpu)(struct sbx_cgroup *leaf, uint32_t thousandths, struct hearth_err *err);
    const char *memory_file, *peak_file, *cpu_file;
    const char *oom_file; /* holds a line "oom_kill N" */
    /* v2: how often the limit of a group itself, and not of one above, led to an OOM kill, "oom N".
     * NULL: there is no such count (memory.failcnt of v1 does not count kills, and stays 0 on some
     * kernels): then a group whose peak is at its limit has met it */
    const char *limit_events_file;
    const char *limit_file;
    int cpu_controller, memory_controller; /* indices into sbx_cgroup_tree.top */
};

struct sbx_cgroup_tree {
    const struct sbx_cgroup_ops *ops;
    char name[32];
    char mount[SBX_CONTROLLERS][256];    /* where each hierarchy is mounted; v2: the parent group */
    int top[SBX_CONTROLLERS];            /* our group in each hierarchy */
    int hierarchies;                     /* 1 on v2 */
    uint32_t made, most;                 /* leaves */
    struct sbx_cgroup *free, *free_last; /* the last used is first: its memory is in the cache */
};

extern const struct sbx_cgroup_ops sbx_cgroup_v1, sbx_cgroup_v2, sbx_cgroup_none;

/* Finds the memory, pids and cpu controllers, removes the groups of a daemon that was killed, and
 * makes the group of this daemon. An error if a controller is missing. */
int sbx_cgroup_tree_open(struct sbx_cgroup_tree *tree, uint32_t most_leaves,
                         struct hearth_err *err);
/* After that has failed: without control groups. Leaves are of no effect then. */
int sbx_cgroup_tree_open_none(struct sbx_cgroup_tree *tree, uint32_t most_leaves,
                              struct hearth_err *err);
/* Bytes that this daemon may use: of the host, or the smallest limit of the groups above it. */
uint64_t sbx_cgroup_offered(const struct sbx_cgroup_tree *tree);
/* Kills all processes in the tree and removes it. */
void sbx_cgroup_tree_close(struct sbx_cgroup_tree *tree);

/* A leaf with these limits and clean counters; the tree owns it. */
int sbx_cgroup_take(struct sbx_cgroup_tree *tree, const struct sbx_cgroup_limits *limits,
                    struct sbx_cgroup **leaf, struct hearth_err *err);
/* Back to the free list. No process may be in it. */
void sbx_cgroup_give(struct sbx_cgroup *leaf);

/* Memory and CPU, of a group in use. -EBUSY if more memory than that is in use: no process is
 * killed for it, and nothing is changed. */
int sbx_cgroup_set(struct sbx_cgroup *leaf, const struct sbx_cgroup_limits *limits,
                   struct hearth_err *err);

/* How many processes and threads it may have: of a group in use. */
int sbx_cgroup_set_pids(const struct sbx_cgroup *leaf, uint32_t most, struct hearth_err *err);
/* Moves a process into it. */
int sbx_cgroup_move(const struct sbx_cgroup *leaf, int pid, struct hearth_err *err);
/* v1: the child moves itself into the leaf, as its first step. v2: it was started in the leaf, and
 * this does nothing. Async-signal-safe. */
int sbx_cgroup_enter(const struct sbx_cgroup *leaf);
/* v2: the directory for clone3's CLONE_INTO_CGROUP, which the caller closes; -1 with errno.
 * v1: -1, and errno is 0. */
int sbx_cgroup_birth_fd(const struct sbx_cgroup *leaf);

/* OOM kills since the leaf was taken; peak in bytes. */
uint32_t sbx_cgroup_oom_kills(const struct sbx_cgroup *leaf);
uint64_t sbx_cgroup_peak(const struct sbx_cgroup *leaf);
/* After an OOM kill: whose limit it was, by the counters of each level. */
enum sbx_killer { SBX_KILLER_LIMIT, SBX_KILLER_TREE, SBX_KILLER_HOST };
enum sbx_killer sbx_cgroup_killer(const struct sbx_cgroup *leaf);

/* The group of this process in the hierarchy of these controllers ("": the unified one), as a path
 * below the mount, at least "/". */
int sbx_cgroup_own_path(const char *controllers, char *path, size_t n, struct hearth_err *err);

/* A file of a leaf, in one of the hierarchies; flags as for open. The caller closes it; -1 with
 * errno. */
int sbx_cgroup_leaf_open(const struct sbx_cgroup *leaf, int controller, const char *file,
                         int flags);
bool sbx_cgroup_leaf_has(const struct sbx_cgroup *leaf, int controller, const char *file);
int sbx_cgroup_leaf_write(const struct sbx_cgroup *leaf, int controller, const char *file,
                          const char *text, struct hearth_err *err);
int sbx_cgroup_leaf_write_u64(const struct sbx_cgroup *leaf, int controller, const char *file,
                              uint64_t value, struct hearth_err *err);
int sbx_cgroup_leaf_read_u64(const struct sbx_cgroup *leaf, int controller, const char *file,
                             const char *key, uint64_t *value);

/* For the backends: writes text to a file of the group; the error names both. */
int sbx_cgroup_write(int dir, const char *file, const char *text, struct hearth_err *err);
int sbx_cgroup_write_u64(int dir, const char *file, uint64_t value, struct hearth_err *err);
/* The number in the file; with key, that on the line "KEY NUMBER". 0 or a negative errno. */
int sbx_cgroup_read_u64(int dir, const char *file, const char *key, uint64_t *value);

#endif
