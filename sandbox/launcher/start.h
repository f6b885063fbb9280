/* start.h: what is set up once, for the whole life of the daemon. */
#ifndef SANDBOX_LAUNCHER_START_H
#define SANDBOX_LAUNCHER_START_H

#include "launcher/launcher.h"

/* On failure too, launcher_close releases what there is. */
int launcher_open(struct launcher *l, struct hearth_err *err);
void launcher_close(struct launcher *l);

#endif
