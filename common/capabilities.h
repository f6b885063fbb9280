/* capabilities.h: giving up what a process may do. */
#ifndef COMMON_CAPABILITIES_H
#define COMMON_CAPABILITIES_H

#include <sys/types.h>

#include "err.h"

/* Becomes a user without capabilities, for good: no program that is executed from now on can gain
 * any, nor another user. uid 0: the user stays, since there is only one (see --insecure). */
int capabilities_drop(uid_t uid, gid_t gid, struct hearth_err *err);

#endif
