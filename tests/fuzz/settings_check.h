/* settings_check.h: what must be so of settings, whoever sent them. */
#ifndef FUZZ_SETTINGS_CHECK_H
#define FUZZ_SETTINGS_CHECK_H

#include "settings_json.h"

/* Each in its range, the host's memory among them. */
void check_ranges(const struct gw_settings *settings);

void check_same(const struct gw_settings *a, const struct gw_settings *b);

/* Written as JSON and as a query, and read again, they are the same. */
void check_written(const struct gw_settings *settings);

/* Names the setting, and what is allowed, in text that can be shown. */
void check_blame(const struct gw_bad_setting *bad);

/* Changes *now by one part of the input. 0, or below 0 with *bad filled. */
typedef int (*change_fn)(struct gw_settings *now, const char *part, size_t len,
                         struct gw_bad_setting *bad);

/* Applies the parts of the input, which NUL bytes end, one by one to the defaults; checks all
 * of the above after each, and that a part that is refused changes nothing. */
void check_parts(const uint8_t *data, size_t size, change_fn change);

#endif
