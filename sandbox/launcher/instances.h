/* instances.h: what the gateway asks about instances. */
#ifndef SANDBOX_LAUNCHER_INSTANCES_H
#define SANDBOX_LAUNCHER_INSTANCES_H

#include "launcher/launcher.h"

/* Each answers through the socket of the gateway, also on failure. */
void launcher_start(struct launcher *l, const struct launch_message *msg);
void launcher_kill(struct launcher *l, const struct launch_message *msg);
void launcher_cut_instance(struct launcher *l, const struct launch_message *msg);
void launcher_limit(struct launcher *l, const struct launch_message *msg);
void launcher_check(struct launcher *l, const struct launch_message *msg);

#endif
