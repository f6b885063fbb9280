/* network.h: the socket functions of a function with destinations: the broker makes its sockets and
 * connects them (common/broker_protocol.h); all else it does itself. */
#ifndef WORKER_NETWORK_H
#define WORKER_NETWORK_H

#include <stdbool.h>
#include <sys/socket.h>

#include "call.h"

/* A template has no socket to the broker, and so no connection that its forks would share: its
 * questions fail with ENETDOWN. there: it has one. */
void wrk_network_set_broker(bool there);
/* Whose deadline bounds how long a connection may take; its chan is set. */
void wrk_network_watch(const struct hearth_call *call);

/* socket(2) and connect(2), for the handler of SIGSYS: no lock of the C library, no memory of the
 * heap. The result, or a negative errno. address: a copy. */
long wrk_network_socket(int domain, int type, int protocol);
long wrk_network_connect(int fd, const struct sockaddr_storage *address, socklen_t n);

#endif
