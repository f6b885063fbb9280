/* channel.h: how calls travel between the gateway and one worker.
 *
 * One sealed memory file holds a control page and two byte rings, requests
 * (gateway to worker) and responses (worker to gateway), each with a single
 * producer and a single consumer. Each ring is mapped twice in a row, so that
 * every frame is contiguous. Positions are 64-bit and only ever grow. The request
 * ring is mapped last; before it, behind it and before all is a guard without access.
 *
 * Waking: the worker sleeps on a futex word in the control page, the gateway in
 * its loop on an eventfd (its loops, each on one of its own). Who is about to sleep says so first
 * and looks once more; the other side wakes it only then.
 *
 * Requests are other clients' secrets: the worker wipes each frame that it consumes,
 * so that in the request ring there is never more than what was sent and is not yet
 * done. A function that reads past its own request meets zeros and then the guard,
 * unless further requests were sent ahead: these lie behind it.
 *
 * Trust: each side keeps its own positions in private memory and reads only the
 * other's from the shared page. The gateway takes nothing on trust that a worker
 * can write: positions are range-checked, a frame's header is copied before it
 * is checked, and a violation is -EPROTO, for which the caller ends the worker.
 */
#ifndef COMMON_CHANNEL_H
#define COMMON_CHANNEL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

enum chan_side { CHAN_GATEWAY, CHAN_WORKER };

struct chan_ring {
    _Alignas(64) _Atomic uint64_t tail; /* written by the producer */
    _Alignas(64) _Atomic uint64_t head; /* written by the consumer */
};

/* The control page. Fixed layout: both programs are built from this header. */
struct chan_shared {
    uint32_t magic;
    uint32_t version;
    struct chan_ring request;
    struct chan_ring response;
    _Alignas(64) _Atomic uint32_t worker_bell; /* futex word */
    _Atomic uint32_t worker_asleep;
    _Alignas(64) _Atomic uint32_t gateway_asleep; /* 0: awake; else the bell to ring */
    _Alignas(64) _Atomic uint64_t cancelled;      /* serial of the call whose client has gone */
    _Atomic int32_t cancelled_why;                /* errno for who waits for its body; set before */
    _Atomic uint64_t memory_limit;                /* bytes, for hearth_memory_limit */
    _Atomic uint64_t recycle_at;                  /* bytes; see FRAME_FULL; 0: never */
    _Atomic uint32_t core;                        /* see chan_hint_core */
    _Alignas(64) _Atomic uint32_t trapped;        /* why the worker dies, as it noted itself */
};

/* chan_shared.trapped: 0 nothing noted; below CHAN_NOTED_SIGNAL, 1 + the number of
 * the system call that the filter caught; from it on, plus a signal that the
 * process sent itself. A note explains a death that the kernel reported; alone it
 * means nothing. */
#define CHAN_NOTED_SIGNAL 0x10000u

struct chan {
    struct chan_shared *shared;
    enum chan_side side;
    struct chan_ring *out, *in;
    unsigned char *out_bytes, *in_bytes; /* 2 * LIMIT_RING each */
    uint64_t out_tail, out_head;         /* own position, and the peer's as last read */
    uint64_t in_head, in_tail;
    size_t reserved; /* bytes of padding in front of the reserved frame */
};

enum frame_type {
    FRAME_PAD,      /* either way: nothing; moves the ring to its start */
    FRAME_SETUP,    /* gateway, once, first: the env, "NAME=value" each ended by a NUL */
    FRAME_REQUEST,  /* gateway: struct frame_request, strings, body */
    FRAME_BODY,     /* either way: bytes of the request's or the response's body */
    FRAME_ABORT,    /* gateway: no more of this request's body will come */
    FRAME_RETIRE,   /* gateway: run hearth_fini and exit */
    FRAME_READY,    /* worker: loaded, initialised, filtered */
    FRAME_UNFIT,    /* worker: could not load or initialise; payload: why, as text */
    FRAME_RESPONSE, /* worker: struct frame_response, fields, body */
    FRAME_FAILED,   /* worker: the handler returned int32 before a response */
    FRAME_TYPES
};

enum frame_flags {
    FRAME_END = 1, /* the last of its request or response */
    FRAME_CUT = 2, /* with END on a response: the handler failed half way */
    /* with END on a response: after this call the instance uses more than recycle_at. It begins
     * no other one: what was sent ahead is to be taken back, and the instance retired */
    FRAME_FULL = 4,
};

struct frame_header {
    uint32_t length; /* header and payload, without alignment */
    uint8_t type;
    uint8_t flags;
    uint16_t claim;  /* of a request: see chan_claim; changed in place, atomically */
    uint64_t serial; /* of the call */
};

/* The payload of FRAME_REQUEST begins with this. Then come, each ended by a NUL:
 * the method, the target (with the '?' before the query replaced by a NUL), per
 * field two uint16 lengths, name and value, and the call id. Padded to 16; the
 * body follows. With FRAME_END one NUL follows the body: it is counted to the
 * payload, and not to the body. */
struct frame_request {
    uint64_t deadline_ns; /* CLOCK_MONOTONIC */
    uint32_t path_at, path_len;
    uint32_t query_at, query_len; /* offsets into the strings; query_at 0: no '?' */
    uint32_t fields_at, id_at;
    uint32_t body_at; /* from the start of the payload */
    uint16_t fields;
    uint16_t method_len;
    int64_t body_len; /* as declared by the client; -1 where it is chunked */
};

/* The payload of FRAME_RESPONSE begins with this; fields_bytes of fields follow,
 * each two uint16 lengths, name and value; then the body. */
struct frame_response {
    uint16_t status;
    uint16_t fields;
    uint32_t fields_bytes;
    int64_t declared; /* Content-Length as the function set it; -1: it did not */
};

struct frame {
    struct frame_header header; /* a copy, checked */
    const unsigned char *payload;
    size_t len;
};

/* The launcher: makes the memory file, sealed against shrinking and growing.
 * 0 and a close-on-exec descriptor that the caller owns, or a negative errno. */
int chan_create(int *fd, struct hearth_err *err);

/* Maps the file for one side; refuses one of another size, seal or version. The
 * descriptor may be closed afterwards. 0 or a negative errno, nothing mapped. */
int chan_open(struct chan *chan, enum chan_side side, int fd, struct hearth_err *err);
void chan_close(struct chan *chan);

/* Producer. chan_reserve gives room for a frame with up to n payload bytes
 * (n <= LIMIT_FRAME), or NULL while the ring is too full (errno EAGAIN) or the
 * peer's position is impossible (EPROTO). A reservation may be abandoned.
 * chan_commit publishes it and returns its position; it does not wake anyone. */
unsigned char *chan_reserve(struct chan *chan, size_t n);
uint64_t chan_commit(struct chan *chan, enum frame_type type, unsigned flags, uint64_t serial,
                     size_t len);
/* Room for payload bytes right now, at most LIMIT_FRAME; 0 where there is none. */
size_t chan_room(struct chan *chan);

/* Consumer. 1 and the next frame, which stays valid until it is consumed; 0
 * where there is none; -EPROTO where the peer broke the protocol. The worker's
 * chan_consume leaves zeros where the payload and its alignment were. */
int chan_peek(struct chan *chan, struct frame *frame);
void chan_consume(struct chan *chan, const struct frame *frame);
/* Whether something new is there, at the price of one load. */
bool chan_ready(struct chan *chan);

/* A request that was sent ahead can be taken back as long as the worker has not
 * begun it. The worker, before it begins the frame that it peeked at: false where
 * it was taken back, and is to be consumed unread. */
bool chan_claim(struct chan *chan);
/* The worker, before a request that it does not want to begin: sleeps until it was taken
 * back; false where the next frame is another one. The frame is to be consumed unread. */
bool chan_worker_wait_revoked(struct chan *chan);
/* The gateway: true where the frame at this position was taken back in time. */
bool chan_revoke(struct chan *chan, uint64_t position);

/* The gateway, after a commit: wakes the worker if it sleeps; after a consume: if
 * it sleeps until there is room. A worker that waits for its next request has no
 * use for room, and a wake-up for nothing costs as much as a call. */
void chan_wake_worker(struct chan *chan);
void chan_wake_worker_for_room(struct chan *chan);
/* The gateway: says that it is about to sleep, and which of its bells is to wake it,
 * from 1: each of its loops has one. Then look once more. 0: it is awake. */
void chan_gateway_sleeps(struct chan *chan, uint32_t bell);

/* The gateway: a worker does best on this core (1 is the first); 0: on any. The
 * worker looks at it before every request. */
void chan_hint_core(struct chan *chan, uint32_t core);
uint32_t chan_hinted_core(const struct chan *chan);

/* The worker, after a commit: where the gateway sleeps, the bell whose eventfd has to
 * be written; else 0. */
uint32_t chan_gateway_wants_bell(struct chan *chan);
/* The worker: sleeps until a frame is there or, with want_room, until there is
 * room for that many payload bytes, or until call `serial` is cancelled. */
void chan_worker_wait(struct chan *chan, size_t want_room, uint64_t serial);

#endif
