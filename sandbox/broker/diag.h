/* diag.h: what the kernel knows of a socket that this process has no descriptor of. */
#ifndef SANDBOX_BROKER_DIAG_H
#define SANDBOX_BROKER_DIAG_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "err.h"

struct diag_socket {
    uint64_t inode;
    int family;
    struct sockaddr_storage local, remote; /* of a connected internet socket */
};

/* A netlink socket, once the kernel has shown that it answers; or a negative errno. */
int diag_open(struct hearth_err *err);
/* Whether the socket is still somebody's; the bytes, UINT64_MAX where they are not counted. */
bool diag_is_open(int diag, const struct diag_socket *s, uint64_t *sent, uint64_t *received);

#endif
