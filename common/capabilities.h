/* capabilities.h: giving up the capabilities of this process. */
#ifndef COMMON_CAPABILITIES_H
#define COMMON_CAPABILITIES_H

#include "err.h"

/* No program that is executed from now on can gain one. */
int capabilities_bound(struct hearth_err *err);
/* Those that this process has, and those that a program would inherit. A change of user takes the
 * former too, but neither where there is only one user. */
int capabilities_clear(struct hearth_err *err);

#endif
