/* pool.c: free lists of buffers, one per size class. A buffer larger than the largest class comes
 * from malloc and goes back to it. */
#include "pool.h"

#include <stdlib.h>

#include "limits.h"

static const struct {
    uint32_t size, keep;
} classes[GW_POOL_CLASSES] = {
    {2 * 1024, 1024},              /* usual heads */
    {LIMIT_FRAME_HEAD, 64},        /* large heads */
    {LIMIT_FRAME_BODY + 8192, 64}, /* one read of a body, one frame on its way out */
};

struct gw_buffer *
gw_pool_take(struct gw_pool *pool, size_t size)
{
    struct gw_buffer *buffer;

    for (int i = 0; i < GW_POOL_CLASSES; i++) {
        if (size > classes[i].size)
            continue;
        buffer = pool->free[i];
        if (buffer != NULL) {
            pool->free[i] = buffer->next;
            pool->kept[i]--;
        } else if ((buffer = malloc(sizeof *buffer + classes[i].size)) == NULL) {
            return NULL;
        }
        buffer->next = NULL;
        buffer->size = classes[i].size;
        buffer->len = buffer->at = 0;
        return buffer;
    }
    if (size > UINT32_MAX / 2 || (buffer = malloc(sizeof *buffer + size)) == NULL)
        return NULL;
    buffer->next = NULL;
    buffer->size = (uint32_t)size;
    buffer->len = buffer->at = 0;
    return buffer;
}

void
gw_pool_give(struct gw_pool *pool, struct gw_buffer *buffer)
{
    if (buffer == NULL)
        return;
    for (int i = 0; i < GW_POOL_CLASSES; i++) {
        if (buffer->size != classes[i].size || pool->kept[i] >= classes[i].keep)
            continue;
        buffer->next = pool->free[i];
        pool->free[i] = buffer;
        pool->kept[i]++;
        return;
    }
    free(buffer);
}
