/* call.h: the record of the call that runs: one function, one call at a time, one thread. */
#ifndef WORKER_CALL_H
#define WORKER_CALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "channel.h"
#include "limits.h"

enum wrk_body_state { WRK_BODY_MORE, WRK_BODY_END, WRK_BODY_ABORTED };

struct hearth_call {
    struct chan *chan;
    struct wrk_arena *arena;
    uint64_t serial;

    /* the request: if it is one frame, its head stays in the ring; if more frames follow, its head
     * is copied to the arena */
    struct frame frame; /* of the request; not yet consumed, if held */
    bool held;
    bool is_head; /* HEAD: no body is sent */
    struct frame_request request;
    const char *strings;
    const char *path;              /* decoded at the first use */
    const char *pairs, *pairs_end; /* the query, decoded at the first use: head.c */
    struct wrk_joined *joined;     /* repeated fields that were read */

    /* the body */
    enum wrk_body_state body_state;
    const unsigned char *chunk; /* the rest of the current frame */
    size_t chunk_len;
    struct frame chunk_frame; /* a body frame not yet consumed, if chunk_held */
    bool chunk_held;
    int body_errno;          /* why the body was aborted */
    int gather_errno;        /* why hearth_body failed: it fails again */
    bool body_lost;          /* gathering failed, and consumed a part of it */
    bool body_read;          /* hearth_read took some */
    unsigned char *gathered; /* a block, if the body came in pieces */
    size_t gathered_room, gathered_len;
    const void *whole;
    size_t whole_len;

    struct frame_failed failed; /* what the language says of a failure */

    /* the response */
    uint16_t status;
    uint16_t fields;
    uint32_t fields_bytes;
    unsigned fields_seen; /* kinds of fields: fields.h */
    int64_t declared;     /* Content-Length that the function set, or -1 */
    int64_t written;
    bool begun;         /* the first frame, with status and fields, was sent */
    bool body_begun;    /* a byte was written: status and fields are fixed */
    bool event_stream;  /* text/event-stream: each write is flushed */
    unsigned char *out; /* payload of the reserved frame, or NULL */
    size_t out_at, out_room;
    unsigned char field_bytes[LIMIT_RESP_HEAD];
};

/* Whether its client has gone. */
static inline bool
wrk_call_cancelled(const struct hearth_call *call)
{
    return atomic_load_explicit(&call->chan->shared->cancelled, memory_order_acquire) ==
           call->serial;
}

#endif
