/* settings.h: the settings of a function: one table, and the checks for all ways to set them. */
#ifndef SCHEDULER_SETTINGS_H
#define SCHEDULER_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "limits.h"

#define SCH_AUTO 0 /* idle_timeout_ms: chosen from the history of the function; written "auto" */

struct sch_settings {
    int64_t memory;                 /* bytes, of one instance */
    int64_t memory_auto;            /* 1: the platform chooses `memory`; written "auto" */
    int64_t memory_min, memory_max; /* bounds of that choice, in bytes */
    int64_t cpu;                    /* thousandths of a core, at most; 0: no cap */
    int64_t timeout_ms;
    int64_t min, max; /* instances */
    int64_t idle_timeout_ms;
    int64_t queue; /* waiting calls */
    int64_t queue_timeout_ms;
    int64_t max_body;      /* bytes */
    int64_t stream;        /* 1: a call begins before its body is here; see gateway/calls/call.c */
    int64_t max_response;  /* bytes of a response that the platform keeps for a slow client */
    int64_t proxy_headers; /* 1: fields that a front proxy obeys are passed on */
    int64_t recycle_calls;
    int64_t recycle_memory; /* percent of memory */
    int64_t tmp;            /* bytes of an instance's /tmp; 0: it has none */
    int64_t threads;        /* of an instance, its first included */
    int64_t stack;          /* bytes, of an instance's first thread */
    int64_t strict;         /* 1: system calls that would be refused are deadly */
    int64_t connections;    /* open ones of an instance */
    int64_t template;       /* enum sch_choice: instances are forked from one that has run init */
};

enum sch_choice { SCH_CHOICE_AUTO, SCH_CHOICE_ON, SCH_CHOICE_OFF, SCH_CHOICE_COUNT };

/* "auto", "on", "off" */
const char *sch_choice_name(int64_t choice);

enum sch_setting_kind {
    SCH_SETTING_SIZE,   /* bytes: "64M", or a number */
    SCH_SETTING_TIME,   /* milliseconds: "5s", or a number */
    SCH_SETTING_COUNT,  /* a number */
    SCH_SETTING_CORES,  /* cores: "0.5", or a number; 0: none, written null */
    SCH_SETTING_CHOICE, /* one of SCH_CHOICES; its number in struct sch_settings */
    SCH_SETTING_FLAG,   /* true or false; 1 or 0 in struct sch_settings */
    SCH_SETTING_LIST,   /* names */
    SCH_SETTING_MAP,    /* names and texts */
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
    size_t offset; /* of an int64_t in struct sch_settings, for the kinds before LIST */
    int64_t least, most;
    int64_t default_value;
    const char *allowed; /* text for errors */
    const char *text;
};

extern const struct sch_setting sch_setting_table[];
extern const unsigned sch_setting_count;

/* The row of that name, or NULL. */
const struct sch_setting *sch_setting_find(const char *name);

void sch_settings_default(struct sch_settings *settings);

/* Sets a SIZE, TIME, COUNT, CORES, CHOICE or FLAG from its text or from its number, within its
 * range. 0, or -EINVAL and nothing changed. memory_most: bytes, 0 for no bound. */
int sch_setting_from_text(const struct sch_setting *row, const char *text, int64_t memory_most,
                          struct sch_settings *settings);
int sch_setting_from_number(const struct sch_setting *row, int64_t number, int64_t memory_most,
                            struct sch_settings *settings);
/* Whether it is "auto": the platform chooses the number. */
bool sch_setting_is_auto(const struct sch_setting *row, const struct sch_settings *settings);
int64_t sch_setting_get(const struct sch_setting *row, const struct sch_settings *settings);

/* Brings what the platform chooses into its bounds. memory_most: as above. */
void sch_settings_bound(struct sch_settings *settings, int64_t memory_most);
/* Checks settings against each other. NULL, or the name of the wrong one, and in text what it may
 * be. */
const char *sch_settings_conflict(const struct sch_settings *settings, char *text, size_t n);

#endif
