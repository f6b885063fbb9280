/* spool.h: bytes that wait for somebody slow: a request's body until it is whole, a response until
 * its client has read it. Bytes are appended at the end and read by position.
 *
 * The first GW_SPOOL_MEMORY bytes stay in memory, the next ones go to an unnamed file in the state
 * folder. The file is written, and read where its bytes are not in the page cache, by libuv's
 * thread pool, so that a slow disk holds up nobody but the owner of the bytes. What cannot be
 * written stays in memory: no byte that was appended is ever lost.
 */
#ifndef GATEWAY_SPOOL_H
#define GATEWAY_SPOOL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gw_buffer;
struct gw_loop;
struct gw_spool;

#define GW_SPOOL_MEMORY (64 * 1024)

/* What all spools of all loops take together. */
struct gw_spool_use {
    _Atomic int64_t memory, disk; /* bytes */
    _Atomic uint32_t files;
    int64_t memory_most, disk_most;
    uint32_t files_most;
};

/* memory: NULL, or a counted buffer with the first bytes, which becomes the spool's. ready: called
 * on the loop after gw_spool_append or gw_spool_read asked to wait. NULL if there is no memory:
 * then the buffer stays the caller's. */
struct gw_spool *gw_spool_new(struct gw_loop *loop, struct gw_buffer *memory,
                              void (*ready)(void *user), void *user);
/* At any time; spool may be NULL. `ready` is not called any more. */
void gw_spool_free(struct gw_spool *spool);

/* Appends all n bytes. Returns 0; -EAGAIN if they were appended, and no more should come before
 * `ready`; -ENOSPC if they were appended and no more should come because the disk, or the share of
 * it that spools may take, is full; -EIO the same for another error of the file; -ENOMEM if nothing
 * was appended. */
int gw_spool_append(struct gw_spool *spool, const void *bytes, size_t n);
/* The bytes at a position before gw_spool_len, at least one. Returns 1, and they are valid until
 * the next call with this spool; 0 if they are being read: ask again after `ready`; or a negative
 * errno. */
int gw_spool_read(struct gw_spool *spool, int64_t at, const unsigned char **bytes, size_t *n);
int64_t gw_spool_len(const struct gw_spool *spool);
/* Whether more may be appended now: nothing waits for the disk, and no error was met. */
bool gw_spool_has_room(const struct gw_spool *spool);

/* A buffer for bytes that wait, of at least n bytes, which is counted; NULL if there is no memory.
 * buffer may be NULL. */
struct gw_buffer *gw_spool_take_buffer(struct gw_loop *loop, size_t n);
void gw_spool_give_buffer(struct gw_loop *loop, struct gw_buffer *buffer);
/* Whether n more bytes of memory are allowed for what waits. */
bool gw_spool_memory_allows(const struct gw_loop *loop, size_t n);

#endif
