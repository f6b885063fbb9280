/* settings.h: the settings of a function: one table of all, and what they are
 * checked by, whoever sets them. */
#ifndef SCHEDULER_SETTINGS_H
#define SCHEDULER_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "limits.h"

#define SCH_AUTO 0 /* idle_timeout_ms: from the function's own history, written "auto" */

struct sch_settings {
    int64_t memory; /* bytes, of one instance */
    int64_t timeout_ms;
    int64_t min, max; /* instances */
    int64_t idle_timeout_ms;
    int64_t queue; /* waiting calls */
    int64_t queue_timeout_ms;
    int64_t max_body; /* bytes */
    int64_t recycle_calls;
    int64_t recycle_memory; /* percent of memory */
    int64_t tmp;            /* bytes of an instance's /tmp; 0: it has none */
};

enum sch_setting_kind {
    SCH_SETTING_SIZE,  /* bytes: "64M", or a number */
    SCH_SETTING_TIME,  /* milliseconds: "5s", or a number */
    SCH_SETTING_COUNT, /* a number */
    SCH_SETTING_WORD,  /* one of the words in `allowed` */
    SCH_SETTING_LIST,  /* names */
    SCH_SETTING_MAP,   /* names and texts */
};

/* When a change takes effect. */
enum sch_setting_reach {
    SCH_REACH_LIVE,      /* running instances, at once */
    SCH_REACH_CALLS,     /* calls from now on */
    SCH_REACH_INSTANCES, /* instances from now on; the present ones are replaced */
    SCH_REACH_BUILD,     /* the next deploy */
};

struct sch_setting {
    const char *name;
    enum sch_setting_kind kind;
    enum sch_setting_reach reach;
    size_t offset; /* of an int64_t in struct sch_settings, for the first three kinds */
    int64_t least, most;
    int64_t otherwise;   /* the default */
    const char *allowed; /* for a human */
    const char *text;
};

extern const struct sch_setting sch_setting_table[];
extern const unsigned sch_setting_count;

/* The row of that name, or NULL. */
const struct sch_setting *sch_setting_find(const char *name);

void sch_settings_default(struct sch_settings *settings);

/* Sets a SIZE, TIME or COUNT from its text or from its number, within its range.
 * 0, or -EINVAL and nothing changed. memory_most: bytes, 0 for no bound. */
int sch_setting_from_text(const struct sch_setting *row, const char *text, int64_t memory_most,
                          struct sch_settings *settings);
int sch_setting_from_number(const struct sch_setting *row, int64_t number, int64_t memory_most,
                            struct sch_settings *settings);
/* Whether the platform chooses the number: written "auto". */
bool sch_setting_is_auto(const struct sch_setting *row, const struct sch_settings *settings);
int64_t sch_setting_get(const struct sch_setting *row, const struct sch_settings *settings);

/* Checks settings against each other. NULL, or the name of the one to blame, with
 * what is allowed in text. */
const char *sch_settings_conflict(const struct sch_settings *settings, char *text, size_t n);

#endif
