/* sockets.h: the listening sockets. */
#ifndef SANDBOX_LAUNCHER_SOCKETS_H
#define SANDBOX_LAUNCHER_SOCKETS_H

#include "launcher/launcher.h"

/* Binds "ADDR:PORT" (count times with SO_REUSEPORT if count > 1) or "unix:PATH"; fills fds, and
 * file for a unix socket. */
int launcher_bind(const char *address, int count, int *fds, struct launcher_socket_file *file,
                  struct hearth_err *err);
/* Whether the socket has the address "ADDR:PORT". */
bool launcher_is_bound(int fd, const char *address);
/* Removes the file that launcher_bind made, if it is still that file. */
void launcher_unbind(struct launcher_socket_file *file);

#endif
