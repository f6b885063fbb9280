/* link.h: the channel of one instance as one loop uses it. Only that loop touches it. */
#ifndef GATEWAY_LINK_H
#define GATEWAY_LINK_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "handler.h"
#include "loop.h"

struct gw_call;
struct gw_instance;

struct gw_link {
    struct gw_instance *inst;
    struct gw_loop *loop;
    bool mine; /* this loop owns the channel; the link is in the loop's list */
    struct gw_link *next, *prev;
    /* its calls in order of dispatch: calls/running.c */
    struct gw_call *first, *last;
    uint32_t count;
    int64_t service_ns;           /* expected run time of one of its calls; 0: not known */
    size_t room_wanted;           /* space that the next frame needs; 0: none waits */
    bool unsent;                  /* calls behind the first wait for space in the ring */
    bool sent;                    /* frames were sent: wake the worker if it sleeps */
    bool made_room;               /* space was freed: wake the worker if it waits for space */
    bool near;                    /* the worker was told to run on the loop's core */
    bool blocked;                 /* frames are not taken: a slow client has not read yet */
    struct gw_write_waiter taken; /* notified when that client has read */
    bool watched;                 /* the eventfd below is polled */
    uv_poll_t bell;
    struct gw_timer muted; /* armed while the eventfd is not polled */
    uint32_t rings;        /* consecutive writes of the eventfd without a reason */
    struct gw_mail unwatch;
};

void gw_link_watch(struct gw_link *link); /* polls its eventfd */
/* Makes this loop the owner of the channel until gw_link_poll or gw_link_settle releases it. Called
 * for the first call of the instance. */
void gw_link_take(struct gw_link *link);
/* Takes the frames of the worker. The instance may be gone on return. */
void gw_link_poll(struct gw_link *link);
/* Whether polling would do something: there are frames, or space for an unsent frame. */
bool gw_link_has_work(struct gw_link *link);
void gw_link_wake(struct gw_link *link); /* wakes the worker if needed */
/* Releases the channel if the scheduler has no more calls of this loop for the instance. Returns
 * whether this loop still owns it. Lock held. */
bool gw_link_settle(struct gw_link *link);
/* Releases the channel: another loop may own it afterwards. Lock held. */
void gw_link_give_up(struct gw_link *link);
/* Closes the poll handle, if it is open. Its reference to the instance is dropped then. */
void gw_link_close(struct gw_link *link);

/* A turn of the loop begins: see PIECES_PER_TURN. */
void gw_links_new_turn(struct gw_loop *loop);

#endif
