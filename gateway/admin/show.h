/* show.h: JSON views for operators. Call with the lock held. Each function returns a new reference.
 */
#ifndef GATEWAY_SHOW_H
#define GATEWAY_SHOW_H

#include <jansson.h>

#include "function.h"

json_t *gw_show_bytes(uint64_t bytes); /* memory.c: null for 0, which is not known */
/* limit, now and peak, in bytes */
json_t *gw_show_memory_now(const struct gw_function *f);
json_t *gw_show_memory(struct gw_function *f); /* memory.c: with calls and advice */
json_t *gw_show_function(const struct gw_function *f);
json_t *gw_show_instances(const struct gw_function *f);
json_t *gw_show_versions(const struct gw_function *f);

#endif
