/* pool.h: a pool of buffers of a few sizes. Once warm, taking and returning a buffer does not use
 * the heap. Single-threaded: one pool per loop. */
#ifndef GATEWAY_POOL_H
#define GATEWAY_POOL_H

#include <stddef.h>
#include <stdint.h>

struct gw_buffer {
    struct gw_buffer *next;
    uint32_t size, len, at; /* capacity, bytes filled, bytes consumed */
    _Alignas(16) unsigned char bytes[];
};

enum { GW_POOL_CLASSES = 3 };

struct gw_pool {
    struct gw_buffer *free[GW_POOL_CLASSES];
    uint32_t kept[GW_POOL_CLASSES];
};

/* An empty buffer of at least `size` bytes (any size), or NULL. */
struct gw_buffer *gw_pool_take(struct gw_pool *pool, size_t size);
/* Returns a buffer to the pool. buffer may be NULL. */
void gw_pool_give(struct gw_pool *pool, struct gw_buffer *buffer);

#endif
