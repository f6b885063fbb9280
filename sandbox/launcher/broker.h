/* broker.h: the broker, a process without privilege that makes the connections of functions. It is
 * started for the first instance with destinations. */
#ifndef SANDBOX_LAUNCHER_BROKER_H
#define SANDBOX_LAUNCHER_BROKER_H

#include "launcher/launcher.h"

/* A socket to the broker for the gateway that is about to start: l->broker_gateway[0]. */
int launcher_broker_for_gateway(struct launcher *l, struct hearth_err *err);
/* Makes the socket of a worker, and starts the broker if it does not run. theirs: the worker's end;
 * ours: the broker's, which is kept as long as the worker lives. */
int launcher_broker_pair(struct launcher *l, int *theirs, int *ours, struct hearth_err *err);
/* Sends the broker its end of an instance, c->broker. If the broker is ending, the next one gets
 * it. */
void launcher_broker_attach(struct launcher *l, const struct launcher_child *c);
/* Asks it now and then whether it goes on, and kills one that has got stuck. Returns the
 * milliseconds until it is to be called again; -1: there is no broker. */
int launcher_broker_beat(struct launcher *l);
void launcher_broker_ended(struct launcher *l);
void launcher_broker_close(struct launcher *l);

#endif
