/* running.h: the calls of an instance. */
#ifndef GATEWAY_RUNNING_H
#define GATEWAY_RUNNING_H

#include "events.h"
#include "link.h"

struct gw_call;

extern const struct gw_instance_events gw_call_events;

/* Adds a call for the instance, after the ones that it has. */
void gw_running_add(struct gw_link *link, struct gw_call *call);
/* Removes a call that another instance will run. */
void gw_running_remove(struct gw_link *link, struct gw_call *call);

#endif
