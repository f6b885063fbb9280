/* settings_json.h: reads a function's settings from queries and JSON, and writes them as JSON. */
#ifndef GATEWAY_SETTINGS_JSON_H
#define GATEWAY_SETTINGS_JSON_H

#include <jansson.h>

#include "function.h"

/* The details of a bad_setting problem. */
struct gw_bad_setting {
    char name[64];
    char allowed[512];
};

/* Fills *bad. Returns -EINVAL. */
int gw_settings_blame(struct gw_bad_setting *bad, const char *name, const char *allowed);

/* Copies settings, including env. Returns 0 or -ENOMEM. */
int gw_settings_copy(struct gw_settings *to, const struct gw_settings *from);
void gw_settings_clear(struct gw_settings *settings);
/* Whether an instance that was started with settings a can also serve under settings b. */
bool gw_settings_same_instance(const struct gw_settings *a, const struct gw_settings *b);

/* The next three return 0, or -EINVAL with *bad filled. On an error the settings may be partly
 * changed, so the caller passes a copy. */
int gw_settings_from_query(struct gw_settings *settings, const char *query,
                           struct gw_bad_setting *bad);
/* Applies a JSON merge patch (RFC 7396): null resets a setting to its default. */
int gw_settings_from_json(struct gw_settings *settings, json_t *patch, struct gw_bad_setting *bad);
/* Brings what the platform chooses into the bounds of the settings and of the host. */
void gw_settings_bound(struct sch_settings *numbers);
int gw_settings_check(struct gw_settings *settings, struct gw_bad_setting *bad);

json_t *gw_settings_json(const struct gw_settings *settings);

/* Whether a JSON value is a whole number (1000.0 is one). A real is accepted up to 2^53. */
bool gw_json_whole(const json_t *value, int64_t *number);

/* Sets the memory, in bytes, that this host has for functions: the maximum of `memory`. */
void gw_settings_set_host_memory(int64_t bytes);

#endif
