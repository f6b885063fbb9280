/* cut.h: ends connections of a running instance. */
#ifndef SANDBOX_LAUNCHER_CUT_H
#define SANDBOX_LAUNCHER_CUT_H

#include "launcher/launcher.h"

/* LAUNCH_CUT: shuts down those of the sockets that the instance has open. Its threads stand still
 * meanwhile. Where that cannot be done for certain, the instance is killed. */
void launcher_cut(struct launcher *l, const struct launcher_child *c, const struct launch_cut *cut);

#endif
