/* channel.h: shared memory that carries calls between the gateway and one worker.
 *
 * One sealed memory file holds a control page and two byte rings, requests
 * (gateway to worker) and responses (worker to gateway), each with a single
 * producer and a single consumer. Each ring is mapped twice in a row, so that
 * every frame is contiguous. Positions are 64-bit and only ever grow. The request
 * ring is mapped last; before it, behind it and before all is a guard without access. A third
 * part of the file is what the function prints: see output.h.
 *
 * Waking: the worker sleeps on a futex word in the control page; each loop of the gateway sleeps on
 * an eventfd. Before it sleeps, a side marks itself asleep and looks once more; the other side
 * wakes it only if it is marked.
 *
 * Requests are secrets of clients: the worker wipes each frame that it consumes, so the request
 * ring has only requests that were sent and are not done. A function that reads past its own
 * request finds zeros and then the guard; or requests that were sent ahead, which lie behind it.
 *
 * Trust: each side keeps its own positions in private memory and reads only those of the other side
 * from the shared page. The gateway checks all that a worker can write: the range of positions; the
 * header of a frame, which it copies first. A violation is -EPROTO, and the caller kills the
 * worker.
 */
#ifndef COMMON_CHANNEL_H
#define COMMON_CHANNEL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "output.h"

enum chan_side { CHAN_GATEWAY, CHAN_WORKER };

struct chan_ring {
    _Alignas(64) _Atomic uint64_t tail; /* written by the producer */
    _Alignas(64) _Atomic uint64_t head; /* written by the consumer */
};

#define CHAN_SYSCALLS 512

/* The control page. Fixed layout: both programs are built from this header. */
struct chan_shared {
    uint32_t magic;
    uint32_t version;
    struct chan_ring request;
    struct chan_ring response;
    _Alignas(64) _Atomic uint32_t worker_bell; /* futex word */
    _Atomic uint32_t worker_asleep;
    _Alignas(64) _Atomic uint32_t gateway_asleep; /* 0: awake; or the bell to ring */
    _Alignas(64) _Atomic uint64_t cancelled;      /* serial of the call whose client has gone */
    _Atomic int32_t cancelled_why;                /* errno for who waits for its body; set before */
    _Atomic uint64_t memory_limit;                /* bytes, for hearth_memory_limit */
    _Atomic uint64_t recycle_at;                  /* bytes; see FRAME_FULL; 0: never */
    _Atomic uint32_t core;                        /* see chan_hint_core */
    _Atomic uint64_t heap;                        /* bytes that malloc gave out, by the worker */
    _Alignas(64) _Atomic uint32_t trapped;        /* why the worker dies, as it noted itself */
    _Atomic uint32_t refusals;                    /* changes with each of the next */
    _Atomic uint32_t refused[CHAN_SYSCALLS];      /* by number: how often a call was refused */
};

/* chan_shared.trapped: 0 nothing noted; below CHAN_NOTED_SIGNAL, 1 + the number of
 * the system call that the filter caught; from it on, plus a signal that the
 * process sent itself. A note explains a death that the kernel reported; alone it
 * means nothing. */
#define CHAN_NOTED_SIGNAL 0x10000u
#define CHAN_NOTED_STACK  0x20000u /* SIGSEGV: the stack has overflowed */

struct chan {
    struct chan_shared *shared;
    enum chan_side side;
    struct chan_ring *out, *in;
    unsigned char *out_bytes, *in_bytes; /* 2 * LIMIT_RING each */
    uint64_t out_tail, out_head;         /* own position, and that of the peer as last read */
    uint64_t in_head, in_tail;
    struct output output;
    size_t reserved; /* bytes of padding in front of the reserved frame */
};

enum frame_type {
    FRAME_PAD, /* both: no content; the next frame is at the start of the ring */
    /* gateway, once, first: the function's name, its version, and the env, "NAME=value"; each ended
     * by a NUL */
    FRAME_SETUP,
    FRAME_REQUEST,  /* gateway: struct frame_request, strings, body */
    FRAME_BODY,     /* both: bytes of the body of the request or response */
    FRAME_ABORT,    /* gateway: the rest of the body of this request will not come */
    FRAME_RETIRE,   /* gateway: run hearth_fini and exit */
    FRAME_TRIM,     /* gateway, between two calls: give back free heap; answered with TRIMMED */
    FRAME_PROFILE,  /* gateway, between two calls: one byte, 1 to sample allocations, 0 to end */
    FRAME_READY,    /* worker: loaded, initialised, filtered; of a template, not filtered */
    FRAME_UNFIT,    /* worker: could not load or initialise; payload: the reason, as text */
    FRAME_RESPONSE, /* worker: struct frame_response, fields, body */
    FRAME_FAILED,   /* worker: the handler failed before a response: struct frame_failed */
    FRAME_TRIMMED,  /* worker: free heap was given back */
    FRAME_PROFILED, /* worker: text of worker/profile.h */
    FRAME_TYPES
};

enum frame_flags {
    FRAME_END = 1, /* the last of its request or response */
    FRAME_CUT = 2, /* with END on a response: it is incomplete */
    /* with END on a response: after this call the instance uses more than recycle_at. It begins no
     * other call: the gateway recalls the calls sent ahead, and retires the instance */
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
 * field two uint16 lengths, name and value, the call id, and the client's address. Padded to 16;
 * the body follows. With FRAME_END one NUL follows the body: it is counted to the
 * payload, and not to the body. */
struct frame_request {
    uint64_t deadline_ns; /* CLOCK_MONOTONIC */
    uint32_t path_at, path_len;
    uint32_t query_at, query_len; /* offsets into the strings; query_at 0: no '?' */
    uint32_t fields_at, id_at;
    uint32_t body_at; /* from the start of the payload */
    uint16_t fields;
    uint16_t method_len;
    int64_t body_len; /* as declared by the client; -1: chunked */
};

/* The payload of FRAME_RESPONSE begins with this; fields_bytes of fields follow,
 * each two uint16 lengths, name and value; then the body. */
struct frame_response {
    uint16_t status;
    uint16_t fields;
    uint32_t fields_bytes;
    int64_t declared; /* Content-Length that the function set; -1: none */
};

/* The payload of FRAME_FAILED. */
struct frame_failed {
    int32_t returned;
    uint32_t no_memory; /* 1: the exception was of memory, and the limit its cause */
    char exception[88]; /* the name of its type, ended by a NUL; "": the language has none */
};

/* The payload of FRAME_READY begins with this: what the function's init took and left; 0 where it
 * has none. At most FRAME_READY_TEXT bytes follow: a line "MODULE NANOSECONDS BYTES" for each of
 * the modules that were the most expensive to import. */
struct frame_ready {
    uint64_t init_ns, init_bytes;
};

#define FRAME_READY_TEXT 2048

struct frame {
    struct frame_header header; /* a copy, checked */
    const unsigned char *payload;
    size_t len;
};

/* The launcher: makes the memory file, sealed against shrinking and growing.
 * 0 and a close-on-exec descriptor that the caller owns, or a negative errno. */
int chan_create(int *fd, struct hearth_err *err);

/* Maps the file for one side, after a check of size, seals and version. The descriptor may be
 * closed afterwards. 0; or a negative errno, and nothing is mapped. */
int chan_open(struct chan *chan, enum chan_side side, int fd, struct hearth_err *err);
/* Before the first frame: makes the pages that this side needs for it, so that a call does not wait
 * for them. */
void chan_prefault(struct chan *chan);
void chan_close(struct chan *chan);

/* Producer. chan_reserve gives room for a frame with up to n payload bytes
 * (n <= LIMIT_FRAME), or NULL while the ring is too full (errno EAGAIN) or the
 * peer's position is impossible (EPROTO). A reservation may be abandoned.
 * chan_commit publishes the frame and returns its position; it does not wake the peer. */
unsigned char *chan_reserve(struct chan *chan, size_t n);
uint64_t chan_commit(struct chan *chan, enum frame_type type, unsigned flags, uint64_t serial,
                     size_t len);
/* Room for payload bytes now, at most LIMIT_FRAME; 0: none. */
size_t chan_room(struct chan *chan);

/* Consumer. 1 and the next frame, which is valid until it is consumed; 0 if there is none; -EPROTO
 * if the peer broke the protocol. The worker's chan_consume overwrites payload and alignment with
 * zeros. */
int chan_peek(struct chan *chan, struct frame *frame);
void chan_consume(struct chan *chan, const struct frame *frame);
/* Whether there is a new frame; costs one load. */
bool chan_ready(struct chan *chan);

/* A request that was sent ahead can be recalled until the worker begins it. The worker calls this
 * before it begins the frame that it peeked at. False: it was recalled, and is to be consumed
 * unread. */
bool chan_claim(struct chan *chan);
/* The worker, before a request that it will not begin: sleeps until it was recalled. The frame is
 * to be consumed unread. False: the next frame is not a request. */
bool chan_worker_wait_revoked(struct chan *chan);
/* The gateway recalls the frame at this position. False: the worker has begun it. */
bool chan_revoke(struct chan *chan, uint64_t position);

/* Whether the worker has begun the request at this position, or says so. */
bool chan_begun(struct chan *chan, uint64_t position);
/* The payload of the frame that was committed at this position, while the consumer has not gone
 * past it; NULL afterwards. A worker can have changed it. */
const unsigned char *chan_sent(struct chan *chan, uint64_t position);

/* The gateway. After a commit: wakes the worker if it sleeps. After a consume: wakes it if it
 * sleeps until there is room. A worker that waits for a request needs no room, and a useless
 * wake-up costs as much as a call. */
void chan_wake_worker(struct chan *chan);
void chan_wake_worker_for_room(struct chan *chan);
/* The gateway: it is about to sleep, and this bell is to wake it, from 1: each loop has one. Then
 * it must look once more. 0: it is awake. */
void chan_gateway_sleeps(struct chan *chan, uint32_t bell);

/* The gateway: the best core for the worker (1 is the first); 0: any. The worker reads it before
 * each request. */
void chan_hint_core(struct chan *chan, uint32_t core);
uint32_t chan_hinted_core(const struct chan *chan);

/* The worker, after a commit: the bell whose eventfd has to be written; 0: the gateway is awake. */
uint32_t chan_gateway_wants_bell(struct chan *chan);
/* The worker: sleeps until there is a frame; with want_room, until there is room for that many
 * bytes of payload; or until call `serial` is cancelled. */
void chan_worker_wait(struct chan *chan, size_t want_room, uint64_t serial);
/* The worker: the same for a frame, and at most so long. False: there is none. */
bool chan_worker_wait_frame(struct chan *chan, int64_t most_ms);

#endif
