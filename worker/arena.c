/* arena.c: memory of one call. Chunks are taken in turn and given back in one
 * step; the first stays, so that a usual call takes nothing from malloc. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "worker.h"

#define CHUNK_FIRST ((size_t)16 * 1024)

static size_t
align16(size_t n)
{
    return (n + 15) & ~(size_t)15;
}

static struct wrk_chunk *
add_chunk(struct wrk_arena *arena, size_t n)
{
    size_t size = n > CHUNK_FIRST ? n : CHUNK_FIRST;
    struct wrk_chunk *chunk = malloc(sizeof *chunk + size);

    if (chunk == NULL)
        return NULL;
    chunk->size = size;
    chunk->next = arena->chunks;
    arena->chunks = chunk;
    arena->at = chunk->bytes;
    arena->end = chunk->bytes + size;
    return chunk;
}

void *
wrk_arena_take(struct wrk_arena *arena, size_t n)
{
    size_t need = align16(n > 0 ? n : 1);
    void *taken;

    if (need < n || need > SIZE_MAX / 2) {
        errno = ENOMEM;
        return NULL;
    }
    if ((size_t)(arena->end - arena->at) < need && add_chunk(arena, need) == NULL)
        return NULL;
    taken = arena->at;
    arena->at += need;
    return taken;
}

void
wrk_arena_release(struct wrk_arena *arena)
{
    while (arena->chunks != NULL && arena->chunks->next != NULL) {
        struct wrk_chunk *chunk = arena->chunks;

        arena->chunks = chunk->next;
        free(chunk);
    }
    if (arena->chunks != NULL && arena->chunks->size > CHUNK_FIRST) {
        free(arena->chunks);
        arena->chunks = NULL;
    }
    arena->at = arena->chunks != NULL ? arena->chunks->bytes : NULL;
    arena->end = arena->chunks != NULL ? arena->at + arena->chunks->size : NULL;
}
