/* privilege.h: the gateway gives up all that it was started with. */
#ifndef GATEWAY_PRIVILEGE_H
#define GATEWAY_PRIVILEGE_H

#include <sys/types.h>

#include "err.h"

/* The root becomes `state`, the user and group those given, without capabilities, without core
 * dumps, with Landlock, and last with the gateway's system-call filter. 0, or a negative errno:
 * the process must not go on then. */
int gw_privilege_drop(const char *state, uid_t uid, gid_t gid, struct hearth_err *err);

#endif
