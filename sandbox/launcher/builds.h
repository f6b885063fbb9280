/* builds.h: builds: each runs the compiler in its own jail, with a deadline. */
#ifndef SANDBOX_LAUNCHER_BUILDS_H
#define SANDBOX_LAUNCHER_BUILDS_H

#include "launcher/launcher.h"

/* Answers through the socket of the gateway, also on failure. */
void launcher_build(struct launcher *l, const struct launch_message *msg);
/* Milliseconds until the next deadline of a builder, -1 for none; kills those past theirs. */
int launcher_builds_check(struct launcher *l);

#endif
