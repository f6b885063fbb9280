/* passed.h: listening sockets that a service manager passes (sd_listen_fds(3)): those of a socket
 * unit, or our own from the time before a restart, which it kept, so that no client is refused
 * meanwhile (FileDescriptorStoreMax= of systemd.service(5)). */
#ifndef SANDBOX_LAUNCHER_PASSED_H
#define SANDBOX_LAUNCHER_PASSED_H

#include "err.h"
#include "launcher/launcher.h"

/* Takes those that were passed: one that is named "admin" is the administration's, the others are
 * listeners, instead of the options. Kept ones are taken if they are still what the options want.
 * None: changes nothing. */
int launcher_take_passed(struct launcher *l, struct hearth_err *err);
/* Gives sockets that were bound here to the service manager, for the next start. name: "listen" or
 * "admin". */
void launcher_keep(const char *name, const char *address, const int *fds, int count);

#endif
