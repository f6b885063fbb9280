/* launch_client.c: a queue of messages in front of a socket that may be full. */
#include "launch_client.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

struct launch_pending {
    struct launch_pending *next;
    struct launch_message msg;
};

static void on_socket(uv_poll_t *poll, int status, int events);

static void
watch(struct launch_client *client)
{
    int events = UV_READABLE | (client->first != NULL ? UV_WRITABLE : 0);

    (void)uv_poll_start(&client->poll, events, on_socket);
}

static void
flush(struct launch_client *client)
{
    while (client->first != NULL) {
        struct launch_pending *p = client->first;

        if (launch_send(client->sock, &p->msg, NULL, 0) == -EAGAIN)
            break;
        client->first = p->next;
        if (client->first == NULL)
            client->last = &client->first;
        free(p);
    }
    watch(client);
}

static void
lost(struct launch_client *client)
{
    (void)uv_poll_stop(&client->poll);
    client->on_lost(client->user);
}

static void
on_socket(uv_poll_t *poll, int status, int events)
{
    struct launch_client *client = poll->data;

    if (status < 0) {
        lost(client);
        return;
    }
    if ((events & UV_WRITABLE) != 0)
        flush(client);
    for (int i = 0; i < 64; i++) {
        struct launch_message msg;
        int fds[LAUNCH_FDS_MAX];
        unsigned n = LAUNCH_FDS_MAX;
        int got = launch_receive(client->sock, &msg, fds, &n);

        if (got == -EAGAIN)
            return;
        if (got != 1 && got != -EMFILE) { /* -EMFILE: the receiver gets no descriptors */
            lost(client);
            return;
        }
        client->on_message(client->user, &msg, fds, n);
    }
}

int
launch_client_open(struct launch_client *client, uv_loop_t *loop, int sock)
{
    int status = uv_poll_init(loop, &client->poll, sock);

    if (status < 0)
        return status;
    client->sock = sock;
    client->first = NULL;
    client->last = &client->first;
    client->poll.data = client;
    watch(client);
    return 0;
}

int
launch_client_send(struct launch_client *client, const struct launch_message *msg)
{
    struct launch_message copy = *msg;
    struct launch_pending *p;
    int status = client->first == NULL ? launch_send(client->sock, &copy, NULL, 0) : -EAGAIN;

    if (status != -EAGAIN)
        return status;
    p = malloc(sizeof *p);
    if (p == NULL)
        return -ENOMEM;
    p->msg = *msg;
    p->next = NULL;
    *client->last = p;
    client->last = &p->next;
    watch(client);
    return 0;
}
