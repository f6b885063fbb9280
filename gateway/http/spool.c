/* spool.c: see spool.h. The bytes of a spool lie, in this order, in `memory`, in the file, and in
 * the list from `first` on. Only the first buffer of the list is ever being written, and only a
 * full one; it is freed once the file has its bytes. */
#include "spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>
#include <utlist.h>
#include <uv.h>

#include "http.h"
#include "loop.h"
#include "pool.h"

#define PIECE     ((size_t)64 * 1024) /* of the file, written or read at a time */
#define WAIT_FROM (2 * PIECE)         /* bytes in the list from which on their source should wait */

struct gw_spool {
    struct gw_loop *loop;
    void (*ready)(void *user);
    void *user;
    struct gw_buffer *memory, *first;
    struct gw_buffer *piece; /* read back from the file */
    int64_t piece_at;
    const struct gw_buffer *lent; /* of the list: its bytes were given out by the last read */
    struct gw_buffer *held;       /* the same, after the file has its bytes */
    int64_t file_len, listed;     /* bytes in the file and in the list */
    int64_t disk;                 /* bytes that it holds of gw_spool_use.disk */
    int fd;
    int error;      /* of writing: no more can be appended */
    int read_error; /* the file cannot be read */
    bool has_file;  /* it counts to gw_spool_use.files */
    bool writing, reading, waited, freed;
    uv_work_t write_job, read_job;
    int64_t read_at; /* in the file */
    size_t read_len;
    ssize_t wrote, got;
};

static struct gw_spool_use *
use_of(const struct gw_loop *loop)
{
    return &loop->gw->http->spool_use;
}

bool
gw_spool_memory_allows(const struct gw_loop *loop, size_t n)
{
    const struct gw_spool_use *use = use_of(loop);

    return use->memory + (int64_t)n <= use->memory_most;
}

struct gw_buffer *
gw_spool_take_buffer(struct gw_loop *loop, size_t n)
{
    struct gw_buffer *buffer = gw_pool_take(&loop->pool, n);

    if (buffer != NULL)
        use_of(loop)->memory += buffer->size;
    return buffer;
}

void
gw_spool_give_buffer(struct gw_loop *loop, struct gw_buffer *buffer)
{
    if (buffer == NULL)
        return;
    use_of(loop)->memory -= buffer->size;
    gw_pool_give(&loop->pool, buffer);
}

static struct gw_buffer *
take_buffer(struct gw_spool *spool, size_t n)
{
    return gw_spool_take_buffer(spool->loop, n);
}

static void
give_buffer(struct gw_spool *spool, struct gw_buffer *buffer)
{
    gw_spool_give_buffer(spool->loop, buffer);
}

struct gw_spool *
gw_spool_new(struct gw_loop *loop, struct gw_buffer *memory, void (*ready)(void *user), void *user)
{
    struct gw_spool *spool = calloc(1, sizeof *spool);

    if (spool == NULL)
        return NULL;
    spool->loop = loop;
    spool->ready = ready;
    spool->user = user;
    spool->memory = memory;
    spool->fd = -1;
    spool->write_job.data = spool->read_job.data = spool;
    return spool;
}

/* ---- the thread pool ---- */

/* The end of a file, which frees its blocks and may take a while. */
struct closing {
    uv_work_t job;
    struct gw_spool_use *use;
    int64_t bytes;
    int fd;
};

static void
close_file(uv_work_t *job)
{
    (void)close(((struct closing *)job->data)->fd);
}

static void
on_file_closed(uv_work_t *job, int status)
{
    struct closing *closing = job->data;

    (void)status;
    closing->use->disk -= closing->bytes;
    closing->use->files--;
    free(closing);
}

static void
drop_file(struct gw_spool *spool)
{
    struct closing *closing = spool->fd >= 0 ? malloc(sizeof *closing) : NULL;

    if (closing != NULL) {
        *closing =
            (struct closing){.use = use_of(spool->loop), .bytes = spool->disk, .fd = spool->fd};
        closing->job.data = closing;
    }
    if (closing == NULL ||
        uv_queue_work(spool->loop->uv, &closing->job, close_file, on_file_closed) < 0) {
        if (spool->fd >= 0)
            (void)close(spool->fd);
        use_of(spool->loop)->disk -= spool->disk;
        use_of(spool->loop)->files -= spool->has_file;
        free(closing);
    }
    spool->fd = -1;
}

/* Frees it once no job uses it. */
static void
end_if_freed(struct gw_spool *spool)
{
    if (!spool->freed || spool->writing || spool->reading)
        return;
    drop_file(spool);
    give_buffer(spool, spool->memory);
    give_buffer(spool, spool->piece);
    give_buffer(spool, spool->held);
    for (struct gw_buffer *buffer = spool->first, *next; buffer != NULL; buffer = next) {
        next = buffer->next;
        give_buffer(spool, buffer);
    }
    free(spool);
}

void
gw_spool_free(struct gw_spool *spool)
{
    if (spool == NULL)
        return;
    spool->freed = true;
    end_if_freed(spool);
}

static void
tell(struct gw_spool *spool)
{
    if (spool->freed) {
        end_if_freed(spool);
    } else if (spool->waited) { /* the source waits on while the list is still too long */
        spool->waited = spool->error == 0 && !gw_spool_has_room(spool);
        spool->ready(spool->user);
    }
}

/* A file without a name. Where the file system knows none, one whose name is gone at once. */
static int
open_unnamed(const void *owner)
{
    char path[64];
    int fd = open("/", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

    if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR))
        return fd;
    (void)snprintf(path, sizeof path, "/.spool-%p", owner);
    fd = open(path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd >= 0)
        (void)unlink(path);
    return fd;
}

static void
write_piece(uv_work_t *job)
{
    struct gw_spool *spool = job->data;
    const struct gw_buffer *buffer = spool->first;
    ssize_t at = 0;

    if (spool->fd < 0)
        spool->fd = open_unnamed(spool);
    spool->wrote = spool->fd < 0 ? -errno : 0;
    while (spool->wrote == 0 && at < (ssize_t)buffer->len) {
        ssize_t n = pwrite(spool->fd, buffer->bytes + at, buffer->len - (size_t)at,
                           (off_t)(spool->file_len + at));

        if (n > 0)
            at += n;
        else if (n == 0 || errno != EINTR)
            spool->wrote = n == 0 ? -EIO : -errno;
    }
}

static void write_next(struct gw_spool *spool);

static void
on_piece_written(uv_work_t *job, int status)
{
    struct gw_spool *spool = job->data;
    struct gw_buffer *buffer = spool->first;

    spool->writing = false;
    if (status < 0)
        spool->wrote = status;
    if (spool->wrote < 0) { /* its bytes stay in memory */
        spool->error = spool->wrote == -ENOSPC || spool->wrote == -EDQUOT ? -ENOSPC : -EIO;
    } else {
        LL_DELETE(spool->first, buffer);
        spool->file_len += buffer->len;
        spool->listed -= buffer->len;
        if (buffer == spool->lent)
            spool->held = buffer;
        else
            give_buffer(spool, buffer);
        if (!spool->freed)
            write_next(spool);
    }
    tell(spool);
}

/* Bytes of disk for one more piece. False if all spools together may not have them. */
static bool
reserve_disk(struct gw_spool *spool, int64_t n)
{
    struct gw_spool_use *use = use_of(spool->loop);

    if (atomic_fetch_add(&use->disk, n) + n > use->disk_most) {
        use->disk -= n;
        return false;
    }
    spool->disk += n;
    return true;
}

/* The same for its file: descriptors are needed for clients and instances, too. */
static bool
reserve_file(struct gw_spool *spool)
{
    struct gw_spool_use *use = use_of(spool->loop);

    if (spool->has_file)
        return true;
    if (atomic_fetch_add(&use->files, 1) >= use->files_most) {
        use->files--;
        return false;
    }
    spool->has_file = true;
    return true;
}

static void
write_next(struct gw_spool *spool)
{
    if (spool->writing || spool->error != 0 || spool->first == NULL || spool->first->len < PIECE)
        return;
    if (!reserve_file(spool) || !reserve_disk(spool, spool->first->len)) {
        spool->error = -ENOSPC;
        return;
    }
    spool->writing =
        uv_queue_work(spool->loop->uv, &spool->write_job, write_piece, on_piece_written) == 0;
    if (!spool->writing)
        spool->error = -EIO;
}

/* ---- bytes in ---- */

/* A buffer with room for the next bytes: the first ones in `memory`, later ones in the list. */
static struct gw_buffer *
room_for_more(struct gw_spool *spool)
{
    struct gw_buffer *last = NULL, *buffer;

    if (spool->memory == NULL && gw_spool_len(spool) == 0)
        spool->memory = take_buffer(spool, GW_SPOOL_MEMORY);
    if (spool->first == NULL && spool->file_len == 0) {
        if (spool->memory != NULL && spool->memory->len < GW_SPOOL_MEMORY &&
            spool->memory->len < spool->memory->size)
            return spool->memory;
    }
    for (buffer = spool->first; buffer != NULL; buffer = buffer->next)
        last = buffer;
    if (last != NULL && last->len < PIECE)
        return last;
    buffer = take_buffer(spool, PIECE);
    if (buffer != NULL)
        LL_APPEND(spool->first, buffer);
    return buffer;
}

static size_t
most_of(const struct gw_spool *spool, const struct gw_buffer *buffer)
{
    size_t most = buffer == spool->memory ? GW_SPOOL_MEMORY : PIECE;

    return buffer->size < most ? buffer->size : most;
}

bool
gw_spool_has_room(const struct gw_spool *spool)
{
    return spool->error == 0 && spool->listed < (int64_t)WAIT_FROM;
}

int
gw_spool_append(struct gw_spool *spool, const void *bytes, size_t n)
{
    const unsigned char *from = bytes;

    while (n > 0) {
        struct gw_buffer *buffer = room_for_more(spool);
        size_t part;

        if (buffer == NULL)
            return -ENOMEM;
        part = most_of(spool, buffer) - buffer->len;
        part = part < n ? part : n;
        memcpy(buffer->bytes + buffer->len, from, part);
        buffer->len += (uint32_t)part;
        if (buffer != spool->memory)
            spool->listed += (int64_t)part;
        from += part;
        n -= part;
    }
    write_next(spool);
    if (spool->error != 0)
        return spool->error;
    if (gw_spool_has_room(spool))
        return 0;
    spool->waited = true;
    return -EAGAIN;
}

int64_t
gw_spool_len(const struct gw_spool *spool)
{
    return (spool->memory != NULL ? spool->memory->len : 0) + spool->file_len + spool->listed;
}

/* ---- bytes out ---- */

static void
read_piece(uv_work_t *job)
{
    struct gw_spool *spool = job->data;

    do
        spool->got = pread(spool->fd, spool->piece->bytes, spool->read_len, (off_t)spool->read_at);
    while (spool->got < 0 && errno == EINTR);
    if (spool->got < 0)
        spool->got = -errno;
}

static void
on_piece_read(uv_work_t *job, int status)
{
    struct gw_spool *spool = job->data;

    spool->reading = false;
    if (status < 0)
        spool->got = status;
    if (spool->got > 0) {
        spool->piece->len = (uint32_t)spool->got;
        spool->piece_at = spool->read_at;
    } else {
        spool->read_error = -EIO;
    }
    tell(spool);
}

/* Reads the piece at a position of the file: at once if it is in the page cache, otherwise in the
 * thread pool. */
static int
fetch(struct gw_spool *spool, int64_t at)
{
    struct iovec into;
    ssize_t got;

    if (spool->piece == NULL && (spool->piece = take_buffer(spool, PIECE)) == NULL)
        return -ENOMEM;
    spool->read_len =
        spool->file_len - at < (int64_t)PIECE ? (size_t)(spool->file_len - at) : PIECE;
    into = (struct iovec){.iov_base = spool->piece->bytes, .iov_len = spool->read_len};
    spool->piece->len = 0;
    got = preadv2(spool->fd, &into, 1, (off_t)at, RWF_NOWAIT);
    if (got > 0) {
        spool->piece->len = (uint32_t)got;
        spool->piece_at = at;
        return 1;
    }
    spool->read_at = at;
    spool->waited = true;
    if (uv_queue_work(spool->loop->uv, &spool->read_job, read_piece, on_piece_read) < 0)
        return -EIO;
    spool->reading = true;
    return 0;
}

static int
read_file(struct gw_spool *spool, int64_t at, const unsigned char **bytes, size_t *n)
{
    const struct gw_buffer *piece = spool->piece;
    int status = 1;

    if (spool->reading) {
        spool->waited = true;
        return 0;
    }
    if (spool->read_error != 0)
        return spool->read_error;
    if (piece == NULL || at < spool->piece_at || at >= spool->piece_at + piece->len)
        status = fetch(spool, at);
    if (status <= 0)
        return status;
    *bytes = spool->piece->bytes + (at - spool->piece_at);
    *n = (size_t)(spool->piece_at + spool->piece->len - at);
    return 1;
}

int
gw_spool_read(struct gw_spool *spool, int64_t at, const unsigned char **bytes, size_t *n)
{
    const struct gw_buffer *buffer = spool->memory;

    give_buffer(spool, spool->held);
    spool->held = NULL;
    spool->lent = NULL;
    if (buffer != NULL && at < buffer->len) {
        *bytes = buffer->bytes + at;
        *n = (size_t)(buffer->len - at);
        return 1;
    }
    at -= buffer != NULL ? buffer->len : 0;
    if (at < spool->file_len)
        return read_file(spool, at, bytes, n);
    at -= spool->file_len;
    for (buffer = spool->first; buffer != NULL; buffer = buffer->next) {
        if (at < buffer->len) {
            spool->lent = buffer;
            *bytes = buffer->bytes + at;
            *n = (size_t)(buffer->len - at);
            return 1;
        }
        at -= buffer->len;
    }
    return -EINVAL;
}
