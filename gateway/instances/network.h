/* network.h: the connections of the instances, as the broker reports them: it is told what each
 * instance may do, and tells what each has open. Main loop, lock held. */
#ifndef GATEWAY_NETWORK_H
#define GATEWAY_NETWORK_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "broker_protocol.h"
#include "loop.h"

struct gw_function;
struct gw_instance;

/* An open connection of an instance. */
struct gw_connection {
    struct gw_connection *next;
    uint64_t number, inode;      /* the broker's, and the kernel's, of its socket */
    int64_t opened_ms;           /* monotonic */
    bool stale;                  /* see on_hello */
    uint64_t calls;              /* of the instance, when it was opened */
    uint64_t sent, received;     /* bytes; UINT64_MAX: not known */
    char text[DESTINATION_TEXT]; /* where to */
};

/* Who waits for a look at the connections. */
struct gw_network_waiter {
    void (*done)(struct gw_network_waiter *waiter);
    struct gw_network_waiter *next;
    struct gw *gw;
    uint64_t number;
    struct gw_timer timer;
};

/* Watches the socket to the broker. 0 or a negative errno. */
int gw_network_open(struct gw *gw, int fd);
/* Before an instance with destinations is launched, and when its settings have changed. */
void gw_network_publish(struct gw_instance *inst);
void gw_network_forget(struct gw_instance *inst); /* it has died */
/* The settings of the function have changed: its instances follow, and lose the connections to what
 * is no longer listed. Returns how many. */
unsigned gw_network_follow(struct gw_function *f);
/* Brings the bytes of the connections up to date, and removes what was closed; then calls done,
 * after a second at the latest. False: no instance has a connection, and done is not called. */
bool gw_network_look(struct gw *gw, const struct gw_function *f, struct gw_network_waiter *waiter);
unsigned gw_network_count(const struct gw_function *f); /* open ones */

#endif
