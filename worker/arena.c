/* arena.c: memory of one call: blocks, and the arena that allocates pieces of them. All chunks
 * are freed in one step; one stays, so that most calls allocate nothing from malloc.
 *
 * The next call must not find data of the client before: a block from the heap is wiped, as far as
 * it was used, before it is freed, and a large block is a mapping, which is unmapped. malloc
 * cannot be left to choose that: a function may set its threshold (mallopt).
 */
#include "arena.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define CHUNK_FIRST ((size_t)16 * 1024)
/* With blocks of this size, free() would also return pages to the kernel (M_TRIM_THRESHOLD). */
#define MAPPED_FROM ((size_t)128 * 1024)

void *
wrk_block_take(size_t n)
{
    void *block;

    if (n < MAPPED_FROM)
        return calloc(1, n);
    block = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return block != MAP_FAILED ? block : NULL;
}

void *
wrk_block_grow(void *block, size_t n, size_t used, size_t wider)
{
    void *grown;

    if (n >= MAPPED_FROM) {
        grown = mremap(block, n, wider, MREMAP_MAYMOVE);
        return grown != MAP_FAILED ? grown : NULL;
    }
    grown = wrk_block_take(wider);
    if (grown == NULL)
        return NULL;
    memcpy(grown, block, used);
    wrk_block_give(block, n, used);
    return grown;
}

void
wrk_block_give(void *block, size_t n, size_t used)
{
    if (block != NULL && n >= MAPPED_FROM) {
        (void)munmap(block, n);
    } else if (block != NULL) {
        explicit_bzero(block, used);
        free(block);
    }
}

/* ---- the arena ---- */

static size_t
align16(size_t n)
{
    return (n + 15) & ~(size_t)15;
}

/* A larger chunk goes behind the current one, which stays in use. */
static struct wrk_chunk *
add_chunk(struct wrk_arena *arena, size_t n)
{
    size_t size = n > CHUNK_FIRST ? n : CHUNK_FIRST;
    struct wrk_chunk *chunk = wrk_block_take(sizeof *chunk + size);

    if (chunk == NULL)
        return NULL;
    chunk->size = size;
    if (size > CHUNK_FIRST && arena->chunks != NULL) {
        chunk->next = arena->chunks->next;
        arena->chunks->next = chunk;
    } else {
        chunk->next = arena->chunks;
        arena->chunks = chunk;
    }
    return chunk;
}

void *
wrk_arena_take(struct wrk_arena *arena, size_t n)
{
    size_t need = align16(n > 0 ? n : 1);
    struct wrk_chunk *chunk = arena->chunks;
    void *taken;

    if (need < n || need > SIZE_MAX / 2) {
        errno = ENOMEM;
        return NULL;
    }
    if ((chunk == NULL || chunk->size - chunk->used < need) &&
        (chunk = add_chunk(arena, need)) == NULL)
        return NULL;
    taken = chunk->bytes + chunk->used;
    chunk->used += need;
    return taken;
}

void
wrk_arena_release(struct wrk_arena *arena)
{
    struct wrk_chunk *chunk = arena->chunks, *next;

    arena->chunks = NULL;
    for (; chunk != NULL; chunk = next) {
        next = chunk->next;
        if (chunk->size == CHUNK_FIRST && arena->chunks == NULL) { /* this one stays */
            memset(chunk->bytes, 0, chunk->used);
            chunk->used = 0;
            chunk->next = NULL;
            arena->chunks = chunk;
        } else {
            wrk_block_give(chunk, sizeof *chunk + chunk->size, sizeof *chunk + chunk->used);
        }
    }
}
