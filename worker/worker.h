/* worker.h: what the parts of one worker process share. One function, one call
 * at a time, one thread; nothing here is shared with another instance. */
#ifndef WORKER_WORKER_H
#define WORKER_WORKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "channel.h"
#include "err.h"
#include "limits.h"

/* ---- arena.c: memory of one call ---- */

/* A block of n bytes, zero, 16-byte aligned, or NULL with ENOMEM; the same block with room
 * for more, or NULL and the block as it was; back, so that nothing stays of the bytes used
 * (block may be NULL). n: as it was taken or grown last. */
void *wrk_block_take(size_t n);
void *wrk_block_grow(void *block, size_t n, size_t used, size_t wider);
void wrk_block_give(void *block, size_t n, size_t used);

struct wrk_chunk {
    struct wrk_chunk *next;
    size_t size, used;
    _Alignas(16) unsigned char bytes[];
};

struct wrk_arena {
    struct wrk_chunk *chunks; /* pieces are taken from the first */
};

/* Zero, 16-byte aligned; NULL with ENOMEM. */
void *wrk_arena_take(struct wrk_arena *arena, size_t n);
/* All of it, wiped. */
void wrk_arena_release(struct wrk_arena *arena);

/* ---- the call ---- */

enum wrk_body_state { WRK_BODY_MORE, WRK_BODY_END, WRK_BODY_ABORTED };

struct hearth_call {
    struct chan *chan;
    struct wrk_arena *arena;
    uint64_t serial;

    /* the request: its head stays in the ring where the whole request is one
     * frame, and is copied to the arena where more frames follow */
    struct frame frame; /* the request's own, not yet consumed, where held */
    bool held;
    bool is_head; /* HEAD: no body is sent */
    struct frame_request request;
    const char *strings;
    const char *path;              /* decoded, once asked for */
    const char *pairs, *pairs_end; /* the query, decoded once asked for; see head.c */
    struct wrk_joined *joined;     /* repeated fields that were asked for */

    /* the body */
    enum wrk_body_state body_state;
    const unsigned char *chunk; /* not yet read of the current frame */
    size_t chunk_len;
    struct frame chunk_frame; /* a body frame not yet consumed, where chunk_held */
    bool chunk_held;
    int body_errno;          /* why the body was aborted */
    int gather_errno;        /* why hearth_body failed: it will not do better again */
    bool body_lost;          /* a part of it was taken by a gather that failed */
    bool body_read;          /* hearth_read took some */
    unsigned char *gathered; /* a block, where the body came in pieces */
    size_t gathered_room, gathered_len;
    const void *whole;
    size_t whole_len;

    /* the response */
    uint16_t status;
    uint16_t fields;
    uint32_t fields_bytes;
    unsigned fields_seen; /* their kinds; see fields.h */
    int64_t declared;     /* Content-Length that the function set, or -1 */
    int64_t written;
    bool begun;         /* the first frame was sent: status and fields are gone */
    bool body_begun;    /* a byte was written: status and fields are fixed */
    unsigned char *out; /* payload of the reserved frame, or NULL */
    size_t out_at, out_room;
    unsigned char field_bytes[LIMIT_RESP_HEAD];
};

/* request.c */
void wrk_call_begin(struct hearth_call *call, const struct frame *frame);
/* Discards what is left of the request, so that the next one is at hand. */
void wrk_call_finish_request(struct hearth_call *call);
/* Releases a body that was gathered: what is sent afterwards needs nothing of it. */
void wrk_call_drop_body(struct hearth_call *call);
bool wrk_call_cancelled(const struct hearth_call *call);

/* response.c: ends the response after the handler returned that. */
void wrk_call_respond(struct hearth_call *call, int returned, unsigned flags);
/* Tells the gateway, waking it where it sleeps. */
void wrk_ring_bell(struct chan *chan);

/* environment.c */
/* Keeps a copy of "NAME=value", each ended by a NUL. */
int wrk_env_set(const void *bytes, size_t len, struct hearth_err *err);
void wrk_meters_set(struct chan *chan, int memory_fd);

/* ---- loader.c: the one part that knows that a function is a shared object ---- */

struct wrk_function {
    int (*handle)(struct hearth_call *);
    int (*init)(void);
    void (*fini)(void);
};

int wrk_function_load(int object, struct wrk_function *function, struct hearth_err *err);

/* ---- walls.c ---- */

/* Maps both filters and sets the handlers that note why this process dies. */
int wrk_walls_prepare(int filters, struct chan *chan, struct hearth_err *err);
int wrk_walls_load(struct hearth_err *err); /* before anything of the tenant's */
/* From here on it opens the libraries and this object, and no other file. */
int wrk_walls_close_files(int object, struct hearth_err *err);
int wrk_walls_narrow(struct hearth_err *err); /* before the first call */

/* ---- place.c ---- */

void wrk_place_init(void); /* before the first filter */
/* Moves to the core that the gateway hints at, where the hint has changed. */
void wrk_place_follow(struct chan *chan);

/* ---- memory.c: between two calls ---- */

/* After each call, whether it is time to look. */
bool wrk_memory_look_is_due(struct chan *chan);
/* Whether more is used than may be after a call. */
bool wrk_memory_is_full(struct chan *chan);

/* ---- serve.c ---- */

/* Serves calls until the gateway retires this worker. */
void wrk_serve(struct chan *chan, const struct wrk_function *function);

enum {
    WRK_FD_OUTPUT = 1,
    WRK_FD_CONTROL = 3,
    WRK_FD_CHANNEL = 4,
    WRK_FD_FILTERS = 5,
    WRK_FD_BELLS = 6 /* the first of as many as the gateway has loops */
};

#endif
