/* builder.h: what the parts of hearth-builder share. All of it runs inside the compiler's jail,
 * as unprivileged as the compiler. */
#ifndef SANDBOX_BUILDER_H
#define SANDBOX_BUILDER_H

#include <linux/limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "build_rules.h"
#include "err.h"
#include "inherit.h"
#include "limits.h"

#define FD_CONTROL INHERIT_BUILDER_CONTROL
#define FD_OBJECT  INHERIT_BUILDER_OBJECT
#define FD_PLAN    INHERIT_BUILDER_PLAN
#define FD_CACHE   INHERIT_BUILDER_CACHE
#define FD_KEPT    INHERIT_BUILDER_KEPT

#define OUTPUT       "/tmp/function.so"
#define OBJECTS      "/tmp/o" /* the object of lib/a.c is /tmp/o/lib/a.c.o */
#define OBJECT_BYTES (BUILD_PATH_BYTES + 32)
#define GCC          "/usr/bin/gcc"
#define GXX          "/usr/bin/g++"

/* exit statuses: launcher/builds.c knows them */
#define EXIT_BUILT     0
#define EXIT_REFUSED   1
#define EXIT_NO_MEMORY 2
#define EXIT_BROKEN    INHERIT_EXIT_BROKEN

/* A command line; its words are copies. */
struct args {
    char **v; /* ended by NULL */
    size_t n, room;
};

/* ---- main.c ---- */

_Noreturn void bld_broken(const struct hearth_err *err);
void bld_add(struct args *args, const char *word);
void bld_addf(struct args *args, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void bld_args_free(struct args *args);
/* From malloc, or the build breaks. */
void *bld_alloc(size_t n);
/* Starts a program; what it prints goes to the file `out`, truncated. Its pid; breaks the build
 * where there can be none. */
pid_t bld_start(const struct args *args, const char *out);
/* The whole file up to `most` bytes, from malloc, followed by a NUL; NULL with errno. */
char *bld_read(const char *path, size_t most, size_t *len);
/* Folder of the C library, and of all that may be linked. */
const char *bld_lib_folder(void);

/* ---- plan.c: what the gateway made of function.json ---- */

/* Text of lines, the first and the last of which are fixed, and between them:
 *   std WORD        at most one of each language
 *   optimize LEVEL
 *   warnings LEVEL
 *   include FOLDER  of the bundle, "." for its root
 *   define NAME[=VALUE]
 *   source PATH
 *   flag WORD       of the source before it
 *   python HANDLER  in place of all these: all modules of the bundle, and "module.name" or "-"
 * Each is checked by build_rules.h once more. */
struct bld_source {
    const char *path;
    enum build_language language;
    const char *flags[BUILD_FLAGS];
    unsigned flags_count;
};

struct bld_plan {
    char *text;         /* what all strings are part of */
    const char *python; /* the handler; NULL: C */
    const char *std_c, *std_cxx, *optimize, *warnings;
    const char *include[BUILD_INCLUDES], *define[BUILD_DEFINES];
    unsigned include_count, define_count;
    struct bld_source *sources;
    unsigned sources_count;
};

int bld_plan_read(int fd, struct bld_plan *plan, struct hearth_err *err);

/* ---- packages.c: what pkg-config knows of the libraries, read by ourselves ---- */

/* Adds the options for the compiler ("-isystem", "-DNAME") that the libraries' packages ask for.
 * A library that is none, but the name of a package, is replaced in `link` by what that links. */
void bld_packages(char *const *libs, int count, struct args *compile, struct args *link);

/* ---- jobs.c: compiling ---- */

struct bld_job {
    const struct bld_source *source;
    struct args args;
    char object[OBJECT_BYTES];
    uint64_t bytes;  /* of the source: the largest begin first */
    uint64_t key[2]; /* of its command in the cache */
    char *said;      /* by the compiler, or as it was said when the cached one was made */
    size_t said_len;
    char *deps; /* what it was made of, encoded for the cache; NULL: not to be kept */
    size_t deps_len;
    pid_t pid;          /* 0: not running */
    bool ended, failed; /* failed: no object */
    bool killed;        /* itself, not a part of it */
    bool retried;       /* was killed while others ran, and runs again alone */
    bool cached;
};

/* Compiles every source of the plan, at most `parallel` at a time. The jobs, in the order of the
 * plan; the caller owns them. */
struct bld_job *bld_jobs_run(const struct bld_plan *plan, const struct args *options,
                             unsigned parallel);
/* The kernel ended a part of the compiler for the memory that all of them took together. */
bool bld_job_was_killed(const struct bld_job *job);
/* What the compilers said, to standard output: all that is an error first. */
void bld_jobs_report(const struct bld_job *jobs, unsigned count);

/* ---- cache.c: object files that were compiled before ---- */

void bld_cache_open(int fd);
/* Fills key of the job. */
void bld_cache_key(struct bld_job *job);
/* Where an object from the same command and the same files is there, writes it to job->object
 * and what was said then. */
bool bld_cache_find(struct bld_job *job);
/* Fills deps of a job that has just ended well, from what compiler and assembler name. */
void bld_cache_note(struct bld_job *job, const char *compiler_list, const char *assembler_list);
/* Writes those of this build, then as many older ones as there is room for. A failure costs the
 * next build time, and nothing else. */
void bld_cache_write(int fd, const struct bld_job *jobs, unsigned count);

/* ---- symbols.c ---- */

/* For each symbol that the linker missed, a line that names the library which has it. */
void bld_symbols_hint(const char *said);
/* Whether the object defines a function of that name. */
bool bld_symbols_has(const char *object, const char *name);

/* ---- object.c ---- */

/* False, and said why: an object that could never be loaded, or that has no handler where it is
 * plain why. */
bool bld_object_ok(const char *path);
int bld_object_hand_over(const char *path, int fd, struct hearth_err *err);

#endif
