/* gateway.h: the life of the gateway process. */
#ifndef SANDBOX_LAUNCHER_GATEWAY_H
#define SANDBOX_LAUNCHER_GATEWAY_H

#include "launcher/launcher.h"

/* The error of a gateway that could not be executed is in the log instead. */
int launcher_gateway_start(struct launcher *l, struct hearth_err *err);
/* Its pidfd became readable: all children end too. It is started again, unless it ends too
 * often; l->gateway_pid is 0 if it is not. */
void launcher_gateway_ended(struct launcher *l);
void launcher_gateway_kill(const struct launcher *l);
/* Sends a message. A gateway that takes none is killed. */
void launcher_send(struct launcher *l, struct launch_message *msg, const int *fds, unsigned n);

#endif
