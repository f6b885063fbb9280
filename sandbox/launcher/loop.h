/* loop.h: the privileged loop. */
#ifndef SANDBOX_LAUNCHER_LOOP_H
#define SANDBOX_LAUNCHER_LOOP_H

#include "launcher/launcher.h"

/* Makes the epoll, and settles what signals do. The first step of a start. */
int launcher_loop_open(struct launcher *l, struct hearth_err *err);
/* Serves until it is asked to stop. The exit status of the program. */
int launcher_run(struct launcher *l);

#endif
