/* files.c: see files.h. */
#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"

int
files_open_dir(int at, const char *path)
{
    return openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
}

DIR *
files_list(int fd)
{
    int own = files_open_dir(fd, ".");
    DIR *dir = own >= 0 ? fdopendir(own) : NULL;

    if (dir == NULL && own >= 0)
        (void)close(own);
    return dir;
}

char *
files_read_all(int dir, const char *path, size_t most, size_t *len)
{
    cleanup_close int fd = openat(dir, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    cleanup_free char *text = fd >= 0 ? malloc(most + 1) : NULL;
    ssize_t got = text != NULL ? 1 : -1;

    for (*len = 0; got > 0 && *len < most; *len += (size_t)(got > 0 ? got : 0))
        got = read(fd, text + *len, most - *len);
    if (got < 0)
        return NULL;
    text[*len] = '\0';
    return take_ptr(text);
}

char *
files_read(int dir, const char *path, size_t most)
{
    size_t len;

    return files_read_all(dir, path, most, &len);
}

int
files_remove_tree(int at, const char *name)
{
    cleanup_close int fd = -1;
    cleanup_dir DIR *dir = NULL;
    struct dirent *e;

    if (unlinkat(at, name, 0) == 0 || errno == ENOENT)
        return 0;
    fd = files_open_dir(at, name);
    dir = fd >= 0 ? files_list(fd) : NULL;
    if (dir == NULL)
        return -errno;
    while ((e = readdir(dir)) != NULL)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            (void)files_remove_tree(fd, e->d_name);
    return unlinkat(at, name, AT_REMOVEDIR) == 0 ? 0 : -errno;
}

int
files_write_all(int fd, const void *bytes, size_t len)
{
    const char *at = bytes;

    while (len > 0) {
        ssize_t put = write(fd, at, len);

        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return put < 0 ? -errno : -EIO;
        at += put;
        len -= (size_t)put;
    }
    return 0;
}

static int
write_file(int dir, const char *name, const void *bytes, size_t len, mode_t mode, bool sync)
{
    cleanup_close int fd =
        openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);
    int status = fd >= 0 ? files_write_all(fd, bytes, len) : -errno;

    if (status == 0 && (fchmod(fd, mode) != 0 || (sync && fsync(fd) != 0)))
        status = -errno;
    return status;
}

int
files_write_unsynced(int dir, const char *name, const void *bytes, size_t len, mode_t mode)
{
    return write_file(dir, name, bytes, len, mode, false);
}

int
files_write(int dir, const char *name, const void *bytes, size_t len, mode_t mode)
{
    return write_file(dir, name, bytes, len, mode, true);
}

int
files_sync_tree(int dir)
{
    cleanup_dir DIR *entries = files_list(dir);
    struct dirent *e;

    while (entries != NULL && (e = readdir(entries)) != NULL) {
        cleanup_close int fd = -1;
        struct stat st;
        int status = 0;

        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        fd = openat(dir, e->d_name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        if (fd < 0 || fstat(fd, &st) != 0)
            return -errno;
        if (S_ISDIR(st.st_mode))
            status = files_sync_tree(fd);
        else if (fsync(fd) != 0)
            status = -errno;
        if (status < 0)
            return status;
    }
    return entries != NULL && fsync(dir) == 0 ? 0 : -errno;
}

int
files_replace(int dir, const char *name, const void *bytes, size_t len, mode_t mode)
{
    char temporary[64];
    int status;

    (void)snprintf(temporary, sizeof temporary, FILES_TEMPORARY, name);
    status = files_write(dir, temporary, bytes, len, mode);
    if (status == 0 && renameat(dir, temporary, dir, name) != 0)
        status = -errno;
    if (status == 0 && fsync(dir) != 0)
        status = -errno;
    if (status < 0)
        (void)unlinkat(dir, temporary, 0);
    return status;
}

int64_t
files_bytes(const struct stat *st)
{
    int64_t blocks = (int64_t)st->st_blocks * 512;
    int64_t size = (st->st_size + 4095) / 4096 * 4096;

    return blocks > size ? blocks : size;
}

int64_t
files_tree_bytes(int dir)
{
    cleanup_dir DIR *entries = files_list(dir);
    int64_t total;
    struct dirent *e;
    struct stat st;

    if (fstat(dir, &st) != 0)
        return -errno;
    total = FILES_ENTRY_BYTES + files_bytes(&st);
    while (entries != NULL && (e = readdir(entries)) != NULL) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        if (fstatat(dir, e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
            return -errno;
        if (S_ISDIR(st.st_mode)) {
            cleanup_close int fd = files_open_dir(dir, e->d_name);
            int64_t below = fd >= 0 ? files_tree_bytes(fd) : -errno;

            if (below < 0)
                return below;
            total += below;
        } else {
            total += FILES_ENTRY_BYTES +
                     files_bytes(&st) / (int64_t)st.st_nlink; /* files/x is source/x */
        }
    }
    return entries != NULL ? total : -errno;
}
