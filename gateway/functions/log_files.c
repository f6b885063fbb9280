/* log_files.c: see log_files.h. */
#include "log_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "cleanup.h"
#include "store.h"

#define LOG  "log"
#define OLD  "log.old"
#define MOST (INT64_C(1) << 30) /* bytes of a file that is read */

static int64_t
size_of(int dir, const char *file)
{
    struct stat st;

    return fstatat(dir, file, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) ? st.st_size
                                                                                    : 0;
}

static bool
is_regular(int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

int64_t
log_files_size(const char *name)
{
    cleanup_close int dir = store_folder(name);

    return dir >= 0 ? size_of(dir, LOG) + size_of(dir, OLD) : 0;
}

void
log_files_shrink(const char *name)
{
    cleanup_close int dir = store_folder(name);

    if (dir >= 0 && unlinkat(dir, OLD, 0) != 0)
        (void)unlinkat(dir, LOG, 0);
}

/* ---- reading ---- */

/* A whole file, from malloc. Empty where it cannot be read. */
static unsigned char *
read_file(int dir, const char *file, size_t *len)
{
    /* not blocking, in case somebody has made a FIFO of it */
    cleanup_close int fd = openat(dir, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    int64_t size = fd >= 0 ? size_of(dir, file) : 0;
    unsigned char *bytes = size > 0 && size < MOST ? malloc((size_t)size) : NULL;
    ssize_t got;

    *len = 0;
    while (bytes != NULL && *len < (size_t)size &&
           (got = pread(fd, bytes + *len, (size_t)size - *len, (off_t)*len)) > 0)
        *len += (size_t)got;
    return bytes;
}

/* The chunk at the start of n bytes. Returns its size, or 0 where there is none. */
static size_t
chunk_at(const unsigned char *bytes, size_t n, struct log_chunk *chunk)
{
    if (n < sizeof *chunk)
        return 0;
    memcpy(chunk, bytes, sizeof *chunk);
    if (chunk->magic != LOG_MAGIC || chunk->len > n - sizeof *chunk)
        return 0;
    return sizeof *chunk + chunk->len;
}

/* The last lines that are wanted; a ring once it is full. */
struct lines {
    const struct log_filter *filter;
    struct kept {
        struct log_chunk chunk;
        struct output_line line;
    } * kept;
    size_t most, count;
};

static bool
keep_line(void *user, const struct log_chunk *chunk, const struct output_line *line)
{
    struct lines *lines = user;

    if (log_line_wanted(lines->filter, chunk->at_ms, line))
        lines->kept[lines->count++ % lines->most] = (struct kept){*chunk, *line};
    return true;
}

static void
keep_lines(const unsigned char *bytes, size_t n, struct lines *lines)
{
    struct log_chunk chunk;

    for (size_t at = 0, size; (size = chunk_at(bytes + at, n - at, &chunk)) > 0; at += size)
        (void)log_chunk_lines(&chunk, bytes + at + sizeof chunk, keep_line, lines);
}

char *
log_files_read(const char *name, const struct log_filter *filter, size_t lines, size_t *len)
{
    cleanup_close int dir = store_folder(name);
    struct lines found = {.filter = filter, .most = lines};
    size_t old_len = 0, new_len = 0;
    cleanup_free unsigned char *old = NULL, *new = NULL;
    cleanup_free void *room = lines > 0 ? calloc(lines, sizeof *found.kept) : NULL;
    char *text = NULL;
    FILE *out = open_memstream(&text, len);

    if (out == NULL)
        return NULL;
    if (dir >= 0 && room != NULL) {
        found.kept = room;
        old = read_file(dir, OLD, &old_len);
        new = read_file(dir, LOG, &new_len);
        keep_lines(old, old_len, &found);
        keep_lines(new, new_len, &found);
    }
    for (size_t i = found.count > lines ? found.count - lines : 0; i < found.count; i++)
        log_line_print(out, &found.kept[i % lines].chunk, &found.kept[i % lines].line);
    return fclose(out) == 0 ? text : NULL;
}

/* ---- writing ---- */

/* The length of what is whole at the start of the file. */
static int64_t
whole_length(int dir)
{
    struct log_chunk chunk;
    size_t len, at = 0, size;
    cleanup_free unsigned char *bytes = read_file(dir, LOG, &len);

    while ((size = chunk_at(bytes + at, len - at, &chunk)) > 0)
        at += size;
    return (int64_t)at;
}

/* Whether the file ends with a chunk. Cheaper than whole_length: the last bytes of a chunk do not
 * say so, therefore each append ends with an empty chunk's header. */
static bool
ends_whole(int fd, int64_t size)
{
    struct log_chunk end;

    return size == 0 || (size >= (int64_t)sizeof end &&
                         pread(fd, &end, sizeof end, size - (off_t)sizeof end) == sizeof end &&
                         end.magic == LOG_MAGIC && end.len == 0);
}

static int
append(int fd, const void *chunks, size_t n)
{
    struct log_chunk end = {.magic = LOG_MAGIC};
    struct iovec pieces[] = {{(void *)(uintptr_t)chunks, n}, {&end, sizeof end}};
    ssize_t put = writev(fd, pieces, 2);

    if (put < 0)
        return -errno;
    return put == (ssize_t)(n + sizeof end) ? 0 : -ENOSPC;
}

/* n: at most a half of `most`. */
static int
append_part(int dir, const void *chunks, size_t n, int64_t most)
{
    cleanup_close int fd = -1;
    int64_t size = size_of(dir, LOG);
    int status;

    if (size + (int64_t)n > most / 2 && renameat(dir, LOG, dir, OLD) != 0 && errno != ENOENT)
        return -errno;
    fd = openat(dir, LOG, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
    if (fd < 0)
        return -errno;
    if (!is_regular(fd))
        return -EINVAL;
    size = size_of(dir, LOG);
    if (!ends_whole(fd, size)) { /* a crash or a full disk came in between */
        size = whole_length(dir);
        if (ftruncate(fd, size) != 0)
            return -errno;
    }
    status = append(fd, chunks, n);
    if (status < 0)
        (void)ftruncate(fd, size);
    return status;
}

int
log_files_append(const char *name, const void *chunks, size_t n, int64_t most)
{
    cleanup_close int dir = store_folder(name);
    const unsigned char *bytes = chunks;
    int status = dir >= 0 ? 0 : -errno;

    for (size_t at = 0, part; status == 0 && at < n; at += part) {
        struct log_chunk chunk;
        size_t size;

        for (part = 0; (size = chunk_at(bytes + at + part, n - at - part, &chunk)) > 0;
             part += size)
            if (part > 0 && (int64_t)(part + size) > most / 2)
                break;
        if (part == 0)
            return -EINVAL;
        status = append_part(dir, bytes + at, part, most);
    }
    return status;
}
