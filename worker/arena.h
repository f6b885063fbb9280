/* arena.h: memory of one call. */
#ifndef WORKER_ARENA_H
#define WORKER_ARENA_H

#include <stddef.h>

/* A block of n bytes, zero, 16-byte aligned; NULL with ENOMEM. */
void *wrk_block_take(size_t n);
/* The same block with `wider` bytes; NULL, and the block is unchanged. n: its present size. */
void *wrk_block_grow(void *block, size_t n, size_t used, size_t wider);
/* Wipes the bytes used and frees the block, which may be NULL. */
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
/* Frees and wipes all of it. */
void wrk_arena_release(struct wrk_arena *arena);

#endif
