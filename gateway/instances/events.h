/* events.h: the events that instances/ reports to the layer that runs calls. calls/ implements them
 * and sets gw->instances->events before the loops are made. All are called on the loop that owns
 * the instance's channel.
 */
#ifndef GATEWAY_EVENTS_H
#define GATEWAY_EVENTS_H

#include "channel.h"

struct gw_link;
struct gw_loop;

#define GW_FRAME_TAKEN 1
#define GW_LINK_GONE   2 /* the frame was consumed, and the channel was released */

struct gw_instance_events {
    /* A frame about the first call. The callee must consume it. Returns GW_FRAME_TAKEN,
     * GW_LINK_GONE, or -EPROTO if the worker broke the protocol. */
    int (*frame)(struct gw_link *link, const struct frame *frame);
    /* All frames have been taken. Frames that wait for space in the ring may be sent now. */
    void (*room)(struct gw_link *link);
    /* The instance has died and all its frames have been taken. The callee ends its calls, releases
     * the channel, and calls gw_instance_calls_ended last. */
    void (*dead)(struct gw_link *link);
    /* The scheduler has been notified of events. The callee carries out its decisions. */
    void (*decided)(struct gw_loop *loop);
};

#endif
