/* probe.h: calls of the platform's own to an instance outside the pools, one at a time, without a
 * client: how long each takes, and what it uses. On the main loop, with the lock held.
 */
#ifndef GATEWAY_PROBE_H
#define GATEWAY_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct frame;
struct gw_instance;

struct gw_probe_call {
    const char *method;
    const char *path;  /* what follows the function's name; "" or from "/" */
    const char *query; /* NULL: none */
    const char *type;  /* of the body; NULL: none */
    const void *body;
    size_t len; /* at most LIMIT_FRAME_BODY */
};

struct gw_probe {
    /* The call was answered. If the instance dies of it, the checker hears of that instead. */
    void (*done)(struct gw_probe *probe);
    bool failed;     /* hearth_handle failed, or the response has a status of 500 or more */
    int64_t run_ns;  /* from the request to the last byte of the response */
    int64_t peak;    /* bytes: the most that the instance used meanwhile */
    bool timed_out;  /* the instance was killed for it */
    int64_t sent_ns; /* by probe.c, as the next ones */
    uint64_t serial;
    bool begun;
};

/* Sends a call to a ready instance. 0, or a negative errno, and done is not called. */
int gw_instance_probe(struct gw_instance *inst, struct gw_probe *probe,
                      const struct gw_probe_call *call, int64_t timeout_ms);
/* A frame about it: GW_FRAME_TAKEN or -EPROTO. */
int gw_instance_probe_frame(struct gw_instance *inst, const struct frame *frame);

#endif
