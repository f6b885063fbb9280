/* beat.h: whether the gateway goes on, and what the service manager is told. */
#ifndef SANDBOX_LAUNCHER_BEAT_H
#define SANDBOX_LAUNCHER_BEAT_H

#include "launcher/launcher.h"

/* Asks the gateway, and kills one that has not answered for long; says so if the clocks went apart.
 * Milliseconds until the next time. */
int launcher_beat(struct launcher *l);
/* Asks now. Returns the number of the answer. */
uint64_t launcher_ask(struct launcher *l);
/* LAUNCH_ALIVE came. */
void launcher_on_alive(struct launcher *l, const struct launch_message *msg);
/* A gateway begins: nothing is owed. */
void launcher_beat_reset(struct launcher *l);

#endif
