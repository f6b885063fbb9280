/* call.h: one call, from its request to the last byte of its answer. It belongs to the
 * loop that accepted its connection. */
#ifndef GATEWAY_CALL_H
#define GATEWAY_CALL_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "channel.h"
#include "codes.h"
#include "limits.h"
#include "pool.h"
#include "scheduler.h"
#include "wheel.h"

struct gw_conn;
struct gw_function;
struct gw_instance;
struct gw_loop;

struct gw_call {
    struct sch_call sch; /* first: the scheduler gives it back */
    struct gw_loop *loop;
    struct gw_call *next; /* behind it in the same instance, or in the free list */
    struct gw_conn *conn; /* NULL: the client has gone, or was answered */
    struct gw_function *function;
    struct gw_instance *instance;
    uint64_t serial;
    int64_t timeout_ms, max_body; /* the function's, when the call came */
    struct gw_timer deadline;
    struct gw_buffer *head;    /* encoded; kept until the call has ended */
    const unsigned char *body; /* small body, still in the read buffer */
    size_t body_len;
    struct gw_buffer *stash; /* body that the ring had no room for */
    int64_t body_seen;       /* bytes of it so far */
    bool submitted, head_sent, body_complete, end_sent;
    bool resendable; /* head and body are whole in `head` */
    bool response_begun, bodiless, finished;
    uint8_t unbegun;       /* instances that died and had not begun it, by their own word */
    int aborted;           /* why no more of the body comes; 0: it does */
    uint64_t position;     /* of its frame in the ring, once sent */
    int64_t declared_left; /* of the response's Content-Length; -1: none */
    char id[LIMIT_CALL_ID + 1];
};

/* call.c */
/* With the lock held. NULL without memory. */
struct gw_call *gw_call_new(struct gw_conn *conn, struct gw_function *function);
void gw_call_free(struct gw_call *call);
void gw_call_body(struct gw_call *call, const unsigned char *bytes, size_t n);
void gw_call_submit(struct gw_call *call);
void gw_call_body_end(struct gw_call *call);
/* The client has gone, or the platform answered: the call goes on without it. */
void gw_call_detach(struct gw_call *call, int why);
/* Makes head and body one piece, so that it can be sent more than once: for a call
 * that is sent ahead. False without memory. */
bool gw_call_keep_whole(struct gw_call *call);
/* It was not begun, and waits for another instance: as if it had never been sent. */
void gw_call_unsend(struct gw_call *call);
/* Moves what there is of head and body into the ring. */
void gw_call_pump(struct gw_call *call);
/* Answers, or closes the connection where the response has begun. */
void gw_call_problem(struct gw_call *call, enum gw_code code, json_t *facts, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* response.c: one frame of a response. 1: go on; 0: the client is slow, come back
 * when it has taken it; -EPROTO: the worker broke the protocol. */
int gw_response_frame(struct gw_call *call, const struct frame *frame);

#endif
