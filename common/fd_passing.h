/* fd_passing.h: a message with descriptors, over a unix socket (SCM_RIGHTS). */
#ifndef COMMON_FD_PASSING_H
#define COMMON_FD_PASSING_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "limits.h"

#define FD_PASSING_MAX (LIMIT_THREADS + 8) /* descriptors of one message */

/* flags: of sendmsg; MSG_NOSIGNAL is added. 0 or a negative errno; the descriptors stay the
 * caller's. */
int fd_send(int sock, const void *bytes, size_t len, const int *fds, unsigned n, int flags);

/* Receives one message. *n: in, room in fds; out, how many came: they belong to the caller, and
 * are close-on-exec. *all is false if some had no room, here or in the process; those are closed.
 * Returns the bytes, 0 at the end or for an empty packet (descriptors that came with it are
 * closed), or a negative errno. flags: of recvmsg. */
ssize_t fd_receive(int sock, void *bytes, size_t len, int *fds, unsigned *n, bool *all, int flags);

#endif
