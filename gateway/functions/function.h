/* function.h: what is deployed: functions, their versions, settings and logs. Touched
 * with the lock of struct gw held. */
#ifndef GATEWAY_FUNCTION_H
#define GATEWAY_FUNCTION_H

#include <stdbool.h>
#include <stdint.h>
#include <uthash.h>

#include "codes.h"
#include "limits.h"
#include "scheduler.h"

struct gw;
struct gw_bad_setting;
struct gw_instance;
struct gw_journal;
struct gw_turn;

struct gw_env {
    char *bytes; /* "NAME=value", each ended by a NUL; NULL for none */
    uint32_t len;
};

/* All settings of a function: the numbers that the scheduler knows, and the rest. */
struct gw_settings {
    struct sch_settings numbers;
    char libs[LIMIT_LIBS][LIMIT_LIB_NAME + 1];
    uint32_t libs_count;
    uint64_t syscalls; /* bits: sbx_extra_bit */
    struct gw_env env; /* owned */
};

struct gw_version {
    struct gw_version *next; /* newest first */
    uint32_t number;
    int64_t created_ms; /* since 1970 */
    int64_t object_bytes;
};

struct gw_function {
    UT_hash_handle hh;
    char name[LIMIT_NAME + 1];
    struct sch_function sch; /* its settings are a copy of settings.numbers */
    struct gw_settings settings;
    uint32_t live;   /* the version that serves; 0 before the first */
    uint32_t newest; /* the highest number ever used */
    struct gw_version *versions;
    uint32_t refs; /* calls and deploys that hold the record */
    bool removed;
    bool deleting;          /* its files are being removed: no new calls */
    bool changing, turning; /* see turns.c */
    struct gw_turn *turns;  /* changes that wait for each other, the next one first */
    struct gw_function *noisy_next, *noisy_prev;
    bool noisy;      /* in gw->noisy: warnings about it were left out */
    unsigned unsaid; /* how many, since the last line */
    int64_t said_ms;
    char last_failure[256];   /* why the last instance could not be started */
    uint32_t unserved_deaths; /* in a row: of instances that were ready, and served no call */
    uint64_t unserved_since;  /* `calls` at the last of them */
    struct gw_journal *journal;
    struct gw_instance *instances;
    /* since the gateway started */
    uint64_t calls, cold_starts, errors[GW_CODE_COUNT];
    uint64_t run_ns_total, queue_ns_total;
    uint64_t peak_bytes;
};

/* function.c */
struct gw_function *gw_function_find(struct gw *gw, const char *name, size_t len);
struct gw_function *gw_function_add(struct gw *gw, const char *name);
void gw_function_release(struct gw *gw, struct gw_function *f); /* frees a removed, unused one */
void gw_function_remove(struct gw *gw, struct gw_function *f);
void gw_function_apply(struct gw *gw, struct gw_function *f, bool renew_instances);
/* A warning to the daemon's log about its instances: one line a second, and what was left
 * out in between as a number (gw_function_say_unsaid, each second on the main loop). */
void gw_function_warn(struct gw *gw, struct gw_function *f, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void gw_function_say_unsaid(struct gw *gw);
void gw_function_count_error(struct gw *gw, struct gw_function *f, enum gw_code code);
/* Whether what min keeps fits the memory budget; f: NULL for a new one. */
int gw_function_check_room(struct gw *gw, const struct gw_function *f,
                           const struct gw_settings *settings, struct gw_bad_setting *bad);
struct gw_version *gw_function_version(struct gw_function *f, uint32_t number);

/* journal.c: the last lines of a function's log */
void gw_journal_add(struct gw_function *f, uint64_t instance, const char *line, size_t n);
/* The last lines that one instance printed, each ended by a newline; NULL without memory. */
char *gw_journal_tail(const struct gw_function *f, uint64_t instance, unsigned lines);
char *gw_journal_text(const struct gw_function *f, unsigned lines, size_t *len);
void gw_journal_free(struct gw_journal *journal);

#endif
