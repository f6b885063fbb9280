/* cgroup.h: one control group per instance, on hosts of either kind.
 * Launcher only. Leaves are made once and used again: removing one is slow and
 * leaves a dying group behind in the kernel.
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
    uint32_t cpu_weight; /* thousandths of one CPU's weight */
};

/* The directories that a v1 leaf has, one per hierarchy; a v2 leaf has one. */
enum sbx_controller { SBX_MEMORY, SBX_PIDS, SBX_CPU, SBX_CPUACCT, SBX_CONTROLLERS };

struct sbx_cgroup {
    struct sbx_cgroup *next; /* in the tree's free list */
    struct sbx_cgroup_tree *tree;
    char name[16];
    int dir[SBX_CONTROLLERS];   /* v2: only the first is open */
    int enter[SBX_CONTROLLERS]; /* v1: "tasks" files, for the child to write 0 to */
    uint32_t oom_base;          /* kills before this use */
    uint64_t memory;            /* v1: the limit written last; 0: not known */
    bool memsw;                 /* v1: memory and swap together can be limited */
};

/* All instances and builders together. */
struct sbx_cgroup_tree_limits {
    uint64_t memory; /* bytes */
    uint32_t cores;  /* they may use SBX_TREE_CPU percent of the time of so many */
};

#define SBX_TREE_CPU      95
#define SBX_CPU_PERIOD_US 100000

/* Microseconds in each period. */
static inline uint64_t
sbx_cgroup_tree_quota(uint32_t cores)
{
    return (uint64_t)SBX_CPU_PERIOD_US * SBX_TREE_CPU / 100 * cores;
}

/* What differs between the two kinds of host. All return 0 or a negative errno. */
struct sbx_cgroup_ops {
    const char *kind; /* "v1" or "v2" */
    int (*tree_open)(struct sbx_cgroup_tree *tree, struct hearth_err *err);
    int (*tree_limit)(struct sbx_cgroup_tree *tree, const struct sbx_cgroup_tree_limits *limits,
                      struct hearth_err *err);
    int (*leaf_open)(struct sbx_cgroup *leaf, struct hearth_err *err);
    /* -EBUSY: what its last user left still counts to it */
    int (*leaf_reset)(struct sbx_cgroup *leaf, const struct sbx_cgroup_limits *limits,
                      struct hearth_err *err);
    void (*leaf_clean)(struct sbx_cgroup *leaf); /* after a use; slow, off every path */
    int (*set_memory)(struct sbx_cgroup *leaf, uint64_t bytes, struct hearth_err *err);
    int (*set_cpu)(struct sbx_cgroup *leaf, uint32_t weight, struct hearth_err *err);
    const char *memory_file, *peak_file, *cpu_file;
    const char *oom_file;                  /* holds a line "oom_kill N" */
    int cpu_controller, memory_controller; /* indices into dir */
};

struct sbx_cgroup_tree {
    const struct sbx_cgroup_ops *ops;
    char name[32];
    char mount[SBX_CONTROLLERS][256];    /* where each hierarchy is mounted; v2: the parent group */
    int top[SBX_CONTROLLERS];            /* our group in each hierarchy */
    int hierarchies;                     /* 1 on v2 */
    uint32_t made, most;                 /* leaves; each holds SBX_LEAF_FDS descriptors at most */
    struct sbx_cgroup *free, *free_last; /* the one used last is first: it is warm */
};

extern const struct sbx_cgroup_ops sbx_cgroup_v1, sbx_cgroup_v2;

/* Finds the memory, pids and cpu controllers, removes what a killed daemon left,
 * and makes this daemon's own group. Fails loudly where one is missing. */
#define SBX_LEAF_FDS (2 * SBX_CONTROLLERS)
int sbx_cgroup_tree_open(struct sbx_cgroup_tree *tree, uint32_t most_leaves,
                         struct hearth_err *err);
/* Bytes that this daemon may use: of the host, or of the tightest group it is in. */
uint64_t sbx_cgroup_offered(const struct sbx_cgroup_tree *tree);
/* Kills what still runs in the tree and removes it. */
void sbx_cgroup_tree_close(struct sbx_cgroup_tree *tree);

/* A leaf with these limits and clean counters; the tree owns it. */
int sbx_cgroup_take(struct sbx_cgroup_tree *tree, const struct sbx_cgroup_limits *limits,
                    struct sbx_cgroup **leaf, struct hearth_err *err);
/* Back to the free list; nothing may live in it any more. */
void sbx_cgroup_give(struct sbx_cgroup *leaf);

/* -EBUSY where more than that is in use; nothing is killed for it. */
int sbx_cgroup_set_memory(struct sbx_cgroup *leaf, uint64_t bytes, struct hearth_err *err);
/* Memory and the share of the CPU, of a group in use. */
int sbx_cgroup_set(struct sbx_cgroup *leaf, const struct sbx_cgroup_limits *limits,
                   struct hearth_err *err);

/* The child, on a v1 host, before anything else: moves itself into the leaf. A
 * v2 child is born in it. Async-signal-safe. */
int sbx_cgroup_enter(const struct sbx_cgroup *leaf);
/* The directory for clone3's CLONE_INTO_CGROUP, or -1 on v1. */
int sbx_cgroup_birth_fd(const struct sbx_cgroup *leaf);

/* Kills by the kernel for memory since the leaf was taken; bytes at the peak. */
uint32_t sbx_cgroup_oom_kills(const struct sbx_cgroup *leaf);
uint64_t sbx_cgroup_peak(const struct sbx_cgroup *leaf);

/* This process's group in the hierarchy of these controllers, as a path below its mount,
 * "/" at least; "": the unified hierarchy. */
int sbx_cgroup_own_path(const char *controllers, char *path, size_t n, struct hearth_err *err);

/* For the backends: writes text to a file of the group; the error names both. */
int sbx_cgroup_write(int dir, const char *file, const char *text, struct hearth_err *err);
int sbx_cgroup_write_u64(int dir, const char *file, uint64_t value, struct hearth_err *err);
/* The number in the file, or after `key ` on a line of its own. -errno or 0. */
int sbx_cgroup_read_u64(int dir, const char *file, const char *key, uint64_t *value);

#endif
