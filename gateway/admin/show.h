/* show.h: what operators are shown, as JSON. With the lock held; each gives a new reference. */
#ifndef GATEWAY_SHOW_H
#define GATEWAY_SHOW_H

#include <jansson.h>

#include "functions/function.h"

json_t *gw_show_function(const struct gw_function *f);
json_t *gw_show_instances(const struct gw_function *f);
json_t *gw_show_versions(const struct gw_function *f);

#endif
