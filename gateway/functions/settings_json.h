/* settings_json.h: a function's settings from queries and JSON, and back. */
#ifndef GATEWAY_SETTINGS_JSON_H
#define GATEWAY_SETTINGS_JSON_H

#include <jansson.h>

#include "functions/function.h"

/* What was wrong, for the answer bad_setting. */
struct gw_bad_setting {
    char name[64];
    char allowed[512];
};

/* Fills *bad; -EINVAL. */
int gw_settings_blame(struct gw_bad_setting *bad, const char *name, const char *allowed);

/* Copies with an env of its own. 0, or -ENOMEM. */
int gw_settings_copy(struct gw_settings *to, const struct gw_settings *from);
void gw_settings_clear(struct gw_settings *settings);
/* Whether an instance that was born under the one serves under the other too. */
bool gw_settings_same_instance(const struct gw_settings *a, const struct gw_settings *b);

/* All three: 0, or -EINVAL with *bad filled; settings may be half changed then, so
 * the caller works on a copy. */
int gw_settings_from_query(struct gw_settings *settings, const char *query,
                           struct gw_bad_setting *bad);
/* A JSON merge patch (RFC 7396): null puts a setting back to its default. */
int gw_settings_from_json(struct gw_settings *settings, json_t *patch, struct gw_bad_setting *bad);
int gw_settings_check(const struct gw_settings *settings, struct gw_bad_setting *bad);

json_t *gw_settings_json(const struct gw_settings *settings);

/* Whether a JSON value is a whole number, 1000.0 too; of up to 2^53 as that. */
bool gw_json_whole(const json_t *value, int64_t *number);

/* Bytes of memory that this host has for functions: the most that `memory` may be. */
void gw_settings_set_host_memory(int64_t bytes);

#endif
