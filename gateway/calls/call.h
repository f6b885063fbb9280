/* call.h: one call, from its request to the last byte of its response. It belongs to the loop that
 * accepted its connection. */
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
#include "spool.h"
#include "traceparent.h"
#include "wheel.h"

struct gw_conn;
struct gw_function;
struct gw_instance;
struct gw_loop;

struct gw_call {
    struct sch_call sch; /* must be first: cast back from the scheduler's pointer */
    struct gw_loop *loop;
    struct gw_call *next; /* the next call of the same instance, or the next in the free list */
    struct gw_conn *conn; /* NULL: the client is gone or has been answered */
    struct gw_function *function;
    struct gw_instance *instance;
    uint64_t serial;
    int64_t timeout_ms, max_body, max_response; /* the function's, at the time of arrival */
    bool stream, proxy_headers;
    struct gw_timer deadline;
    struct gw_buffer *head;    /* encoded; kept until the call ends */
    const unsigned char *body; /* a small body, still in the read buffer */
    size_t body_len;
    struct gw_buffer *stash; /* body bytes that wait; with stream, those that the ring has no room
                                for yet */
    struct gw_spool *spool;  /* a body too long for `stash`; NULL: it is not */
    int64_t sent_at;         /* bytes of the spool that were sent */
    int64_t body_seen;       /* body bytes received so far */
    bool submitted, head_sent, body_complete, end_sent;
    bool reading_file;   /* the next bytes of the spool are being read */
    bool recovered;      /* its instance died before it began it: it goes to another one */
    bool in_pieces;      /* a part of the body was sent from the stash: it cannot be sent again */
    bool reports_memory; /* its response says what it used */
    bool response_begun, bodiless, finished;
    uint8_t unbegun;   /* instances that died and reported that they had not begun it */
    int aborted;       /* why the rest of the body is missing; 0: it is not */
    uint64_t position; /* of its frame in the ring, once it is sent */
    int64_t cold_ns;   /* what of its wait was the start of its instance; 0: a warm call */
    int status;        /* of its response; 0: there was none so far */
    const char *code;  /* of the platform's problem; NULL: none */
    struct gw_trace trace;
    int64_t declared_left; /* bytes left of the response's Content-Length; -1: none given */
    char id[LIMIT_CALL_ID + 1];
};

/* call.c */
/* Call with the lock held. Returns NULL if there is no memory. */
struct gw_call *gw_call_new(struct gw_conn *conn, struct gw_function *function);
void gw_call_free(struct gw_call *call);
void gw_call_body(struct gw_call *call, const unsigned char *bytes, size_t n);
/* The read buffer is about to be reused: submits the call if enough of it is here. */
void gw_call_read_done(struct gw_call *call);
/* At least so many more bytes of the body will follow. */
void gw_call_body_grows(struct gw_call *call, uint64_t bytes);
void gw_call_body_end(struct gw_call *call);
/* The client is gone, or the platform has answered: the call continues without it. */
void gw_call_detach(struct gw_call *call, int why);
/* Copies what is still in the read buffer. Returns false if there is no memory, and the call was
 * answered. */
bool gw_call_settle_body(struct gw_call *call);
/* Before a call that was sent and not begun is given to another instance: brings its body back from
 * the ring. Returns false if it is not there any more, or there is no memory. */
bool gw_call_recover(struct gw_call *call);
/* The call was not taken back after all. */
void gw_call_forget_copy(struct gw_call *call);
/* Resets a recovered call, so that it can be sent anew. */
void gw_call_unsend(struct gw_call *call);
/* Sends as much of head and body as fits into the ring. */
void gw_call_pump(struct gw_call *call);
/* Answers with a problem. Closes the connection if the response has begun. */
void gw_call_problem(struct gw_call *call, enum gw_code code, json_t *facts, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* response.c: handles one frame of a response. Returns 1, or -EPROTO if the worker broke the
 * protocol. */
int gw_response_frame(struct gw_call *call, const struct frame *frame);

#endif
