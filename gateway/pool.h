/* pool.h: buffers of a few sizes, taken and given back on the loop without the
 * heap once warm. Single-threaded: one pool per loop. */
#ifndef GATEWAY_POOL_H
#define GATEWAY_POOL_H

#include <stddef.h>
#include <stdint.h>

struct gw_buffer {
    struct gw_buffer *next;
    uint32_t size, len, at; /* bytes there is room for, filled, and used up */
    _Alignas(16) unsigned char bytes[];
};

enum { GW_POOL_CLASSES = 3 };

struct gw_pool {
    struct gw_buffer *free[GW_POOL_CLASSES];
    uint32_t kept[GW_POOL_CLASSES];
};

/* An empty buffer of at least `size` bytes (any size), or NULL. */
struct gw_buffer *gw_pool_take(struct gw_pool *pool, size_t size);
/* buffer may be NULL. */
void gw_pool_give(struct gw_pool *pool, struct gw_buffer *buffer);
void gw_pool_clear(struct gw_pool *pool);

#endif
