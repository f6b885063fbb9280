/* function.h: the deployed functions: versions, settings and logs. Touched only with the lock held.
 */
#ifndef GATEWAY_FUNCTION_H
#define GATEWAY_FUNCTION_H

#include <stdbool.h>
#include <stdint.h>
#include <uthash.h>

#include "codes.h"
#include "limits.h"
#include "scheduler.h"
#include "times.h"

struct gw;
struct gw_bad_setting;
struct gw_instance;
struct gw_journal;
struct gw_turn;
struct memory_use;

/* All deployed functions. main sets sch and memory_budget before the loops are made. */
struct gw_functions {
    struct gw_function *table; /* by name */
    struct gw_function *noisy; /* functions with suppressed warnings: see gw_function_warn */
    struct sch *sch;
    int64_t memory_budget; /* bytes */
    uint32_t max_functions;
    int64_t disk_budget, disk_used; /* bytes, of all versions; budget 0: no limit */
    int64_t log_used;               /* bytes on disk, of all logs */
};

/* Peaks of memory in calls, as metrics have them: bucket b is up to 64 KiB << b; the last is for
 * what is larger. Of samples as in memory_use.h, which fades; these counts do not. */
#define GW_PEAKS 22

struct gw_peaks {
    uint64_t count, sum; /* sum: bytes */
    uint64_t counts[GW_PEAKS];
};

/* Connections of a function's instances, since the gateway started. */
struct gw_network_counts {
    uint64_t opened, failed, refused, limited;
    uint64_t window_calls, window_opened; /* at the begin of the window that is being counted */
    double per_call;                      /* connections, in the window before */
    bool told;
};

struct gw_env {
    char *bytes; /* "NAME=value", each ended by a NUL; NULL for none */
    uint32_t len;
};

/* All settings of a function: the numbers, which the scheduler knows, and the others. */
struct gw_settings {
    struct sch_settings numbers;
    char libs[LIMIT_LIBS][LIMIT_LIB_NAME + 1];
    uint32_t libs_count;
    uint64_t syscalls;           /* bits: sbx_extra_bit */
    struct gw_env env;           /* owned */
    char cors[LIMIT_CORS];       /* origins, separated by commas; "": none */
    char network[LIMIT_NETWORK]; /* destinations, as destination_format writes them, separated by
                                    commas; "": none */
};

struct gw_version {
    struct gw_version *next; /* newest first */
    uint32_t number;
    int64_t created_ms; /* since 1970 */
    int64_t object_bytes, disk_bytes;
};

struct gw_function {
    UT_hash_handle hh;
    char name[LIMIT_NAME + 1];
    struct sch_function sch; /* its settings are a copy of settings.numbers */
    struct gw_settings settings;
    uint32_t live;   /* the version that serves; 0 before the first deploy */
    uint32_t newest; /* the highest number ever used */
    struct gw_version *versions;
    struct gw_version *gone; /* removed, with instances that still have their files open */
    uint32_t refs;           /* references from calls and deploys */
    bool removed;
    bool deleting;          /* its files are being removed: new calls are refused */
    bool changing, turning; /* see turns.c */
    struct gw_turn *turns;  /* waiting changes, the next one first */
    struct gw_function *noisy_next, *noisy_prev;
    bool noisy;          /* in gw->functions->noisy: warnings were suppressed */
    unsigned suppressed; /* number of suppressed warnings since the last line */
    int64_t warned_ms;
    char last_failure[256];   /* why the last failed instance could not be started */
    uint32_t unserved_deaths; /* in a row: instances that were ready and died without a call */
    uint64_t unserved_since;  /* `calls` at the last of these deaths */
    struct gw_journal *journal;
    int64_t log_disk; /* bytes of its log on disk */
    struct gw_instance *instances;
    struct gw_instance *template; /* NULL: none; see instances/template.c */
    uint32_t template_generation; /* of sch, of the last one that was started; 0: none was */
    int64_t template_used_ms;     /* when it was last forked, or made */
    uint64_t init_ns, init_bytes; /* what init took and left, the last time */
    uint64_t forks;
    /* since the gateway started */
    uint64_t calls, cold_starts, errors[GW_CODE_COUNT];
    struct times run, queue, cold; /* of completed calls; cold: of those that waited for a start */
    struct recent_times recent;    /* from arrival to completion */
    struct gw_peaks peaks;
    uint64_t peak_bytes;
    uint64_t ends[SCH_END_COUNT]; /* of instances, by reason */
    double leak_bytes;            /* suspected, per call; 0: none */
    uint32_t leak_since;          /* the version in which it began; 0: none */
    const char *leak_source;      /* see struct leak; NULL: nothing is known */
    int64_t auto_ms;              /* when memory "auto" looked last */
    uint64_t reclaimed;           /* bytes that instances gave back between two calls */
    struct memory_use *memory;    /* NULL: nothing was measured so far */
    struct gw_network_counts network;
    uint64_t *refused; /* counts by system-call number; NULL: none was refused */
};

/* function.c */
struct gw_function *gw_function_find(struct gw *gw, const char *name, size_t len);
struct gw_function *gw_function_add(struct gw *gw, const char *name);
void gw_function_release(struct gw *gw, struct gw_function *f); /* may free it */
void gw_function_remove(struct gw *gw, struct gw_function *f);
void gw_function_apply(struct gw *gw, struct gw_function *f, bool renew_instances);
/* Logs a warning about the instances of a function, at most one line per second. The number of
 * suppressed warnings is logged later (gw_function_report_suppressed, called every second on the
 * main loop). */
void gw_function_warn(struct gw *gw, struct gw_function *f, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void gw_function_report_suppressed(struct gw *gw);
void gw_function_count_error(struct gw *gw, struct gw_function *f, enum gw_code code);
void gw_function_count_refused(struct gw_function *f, int number, uint64_t count);
/* Checks that the instances that min keeps fit into the memory budget. f: NULL for a new function.
 * Returns 0, or -EINVAL with *bad filled. */
int gw_function_check_room(struct gw *gw, const struct gw_function *f,
                           const struct gw_settings *settings, struct gw_bad_setting *bad);
struct gw_version *gw_function_version(struct gw_function *f, uint32_t number);
/* By number, the newest first; takes it. */
void gw_version_add(struct gw_function *f, struct gw_version *version);
/* Reserves disk for a version. False if it exceeds the budget; then nothing is reserved. */
/* A version was removed: takes it over. Its disk is free once it has no instances. */
void gw_version_gone(struct gw *gw, struct gw_function *f, struct gw_version *version);
bool gw_disk_take(struct gw *gw, int64_t bytes);
void gw_disk_give(struct gw *gw, int64_t bytes);

#endif
