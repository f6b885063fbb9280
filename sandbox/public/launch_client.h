/* launch_client.h: the end of the gateway of the launcher's socket. Never blocks: messages that
 * the socket does not take at once are sent later, in order. */
#ifndef SANDBOX_LAUNCH_CLIENT_H
#define SANDBOX_LAUNCH_CLIENT_H

#include <uv.h>

#include "launch.h"

struct launch_pending;

struct launch_client {
    uv_poll_t poll;
    int sock;
    struct launch_pending *first, **last;
    void *user;
    /* fds belong to the callee */
    void (*on_message)(void *user, const struct launch_message *msg, int *fds, unsigned n);
    void (*on_lost)(void *user); /* the launcher has ended */
};

/* sock becomes non-blocking and belongs to the client. 0 or a uv error. */
int launch_client_open(struct launch_client *client, uv_loop_t *loop, int sock);
/* Queues msg if the socket is full. 0, or a negative errno. */
int launch_client_send(struct launch_client *client, const struct launch_message *msg);

#endif
