/* state_faults.c: preloaded into the gateway; see state_faults.h. */
#undef _FILE_OFFSET_BITS /* with it, open and open64 are one function */
#include "state_faults.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static struct faults *faults;

/* Only in the gateway, which the launcher starts with this environment. */
__attribute__((constructor)) static void
attach(void)
{
    const char *path = getenv("HEARTH_FAULTS");
    int fd = path != NULL && strcmp(program_invocation_short_name, "hearth-gateway") == 0
                 ? open(path, O_RDWR | O_CLOEXEC)
                 : -1;
    void *at = fd >= 0 ? mmap(NULL, sizeof *faults, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)
                       : MAP_FAILED;

    if (at != MAP_FAILED)
        faults = at;
    if (fd >= 0)
        (void)close(fd);
}

/* ---- what happens before and after a call ---- */

static void
lock(void)
{
    while (atomic_exchange(&faults->lock, 1) != 0)
        (void)sched_yield();
}

static void
unlock(void)
{
    faults->lock = 0;
}

/* Counts a call. Returns false if it must fail for want of room. */
static bool
may_go_on(bool needs_room)
{
    long n;

    if (faults == NULL)
        return true;
    n = ++faults->count;
    if (n == faults->hold_at) {
        faults->held = true;
        for (;;) /* until it is killed; the filter of the gateway allows no pause */
            (void)sched_yield();
    }
    return !needs_room || faults->full_from == 0 || n < faults->full_from;
}

static uint64_t
inode_of(int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 ? st.st_ino : 0;
}

static uint64_t
inode_at(int dir, const char *name)
{
    struct stat st;

    return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 ? st.st_ino : 0;
}

/* A path of more than one part: the folder of the last one, and its name. */
static uint64_t
resolve(int dir, const char *path, const char **name)
{
    const char *slash = strrchr(path, '/');
    char folder[512];

    *name = slash != NULL ? slash + 1 : path;
    if (slash == NULL)
        return inode_of(dir);
    (void)snprintf(folder, sizeof folder, "%.*s", (int)(slash - path), path);
    return inode_at(dir, folder);
}

static void
record(enum faults_op op, uint64_t dir, const char *name, uint64_t file, uint64_t to, int64_t at,
       const void *bytes, size_t n)
{
    struct faults_record *r = faults_at(faults, faults->used);

    if (!faults->record || faults->used + sizeof *r + n + 8 > FAULTS_BYTES)
        return;
    *r = (struct faults_record){
        .op = op, .len = (uint32_t)n, .dir = dir, .file = file, .to = to, .at = at};
    (void)snprintf(r->name, sizeof r->name, "%s", name);
    if (n > 0)
        memcpy(r->bytes, bytes, n);
    faults->used += faults_size(r);
}

/* ---- the calls ---- */

static int
open_file(int dir, const char *path, int flags, mode_t mode)
{
    bool creates = (flags & O_CREAT) != 0 && (flags & O_TMPFILE) != O_TMPFILE;
    bool exists = creates && faccessat(dir, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
    const char *name;
    uint64_t folder;
    int fd;

    if (faults == NULL || !creates)
        return (int)syscall(SYS_openat, dir, path, flags, mode);
    if (!may_go_on(!exists)) {
        errno = ENOSPC;
        return -1;
    }
    lock();
    fd = (int)syscall(SYS_openat, dir, path, flags, mode);
    if (fd >= 0 && (!exists || (flags & O_TRUNC) != 0)) {
        folder = resolve(dir, path, &name);
        record(exists ? FAULTS_TRUNCATE : FAULTS_CREATE, folder, name, inode_of(fd), 0, 0, NULL, 0);
    }
    unlock();
    return fd;
}

int openat64(int dir, const char *path, int flags, ...) __attribute__((alias("openat")));

int
openat(int dir, const char *path, int flags, ...)
{
    va_list ap;
    mode_t mode = 0;

    va_start(ap, flags);
    if ((flags & (O_CREAT | O_TMPFILE)) != 0)
        mode = va_arg(ap, mode_t);
    va_end(ap);
    return open_file(dir, path, flags, mode);
}

/* The state folder is opened once, by its path as the root. */
static int
open_path(const char *path, int flags, mode_t mode)
{
    int fd = open_file(AT_FDCWD, path, flags, mode);

    if (faults != NULL && fd >= 0 && strcmp(path, "/") == 0) {
        lock();
        record(FAULTS_ROOT, 0, "", inode_of(fd), 0, 0, NULL, 0);
        unlock();
    }
    return fd;
}

int open64(const char *path, int flags, ...) __attribute__((alias("open")));

int
open(const char *path, int flags, ...)
{
    va_list ap;
    mode_t mode = 0;

    va_start(ap, flags);
    if ((flags & (O_CREAT | O_TMPFILE)) != 0)
        mode = va_arg(ap, mode_t);
    va_end(ap);
    return open_path(path, flags, mode);
}

int
mkdirat(int dir, const char *path, mode_t mode)
{
    const char *name;
    uint64_t folder;
    int status;

    if (faults == NULL || faccessat(dir, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
        return (int)syscall(SYS_mkdirat, dir, path, mode);
    if (!may_go_on(true)) {
        errno = ENOSPC;
        return -1;
    }
    lock();
    status = (int)syscall(SYS_mkdirat, dir, path, mode);
    if (status == 0) {
        folder = resolve(dir, path, &name);
        record(FAULTS_MKDIR, folder, name, inode_at(dir, path), 0, 0, NULL, 0);
    }
    unlock();
    return status;
}

static bool
is_file(int fd, struct stat *st)
{
    /* the channels and the spool are files without a name */
    return faults != NULL && fd > 2 && fstat(fd, st) == 0 && S_ISREG(st->st_mode) &&
           st->st_nlink > 0;
}

static ssize_t
written(int fd, const struct stat *before, const void *bytes, size_t n, int64_t at, ssize_t put)
{
    if (put > 0)
        record(FAULTS_WRITE, 0, "", before->st_ino, 0, at, bytes,
               (size_t)put < n ? (size_t)put : n);
    (void)fd;
    return put;
}

ssize_t
write(int fd, const void *bytes, size_t n)
{
    struct stat st;
    ssize_t put;
    off_t at;

    if (!is_file(fd, &st))
        return syscall(SYS_write, fd, bytes, n);
    if (!may_go_on(true)) {
        errno = ENOSPC;
        return -1;
    }
    lock();
    at = (fcntl(fd, F_GETFL) & O_APPEND) != 0 ? st.st_size : lseek(fd, 0, SEEK_CUR);
    put = written(fd, &st, bytes, n, at, syscall(SYS_write, fd, bytes, n));
    unlock();
    return put;
}

ssize_t
writev(int fd, const struct iovec *pieces, int count)
{
    struct stat st;
    ssize_t put = 0;

    if (!is_file(fd, &st))
        return syscall(SYS_writev, fd, pieces, count);
    for (int i = 0; i < count; i++) {
        ssize_t one = write(fd, pieces[i].iov_base, pieces[i].iov_len);

        if (one < 0)
            return put > 0 ? put : -1;
        put += one;
    }
    return put;
}

static int
truncate_file(int fd, off_t size)
{
    struct stat st;
    int status;

    if (!is_file(fd, &st))
        return (int)syscall(SYS_ftruncate, fd, size);
    (void)may_go_on(false);
    lock();
    status = (int)syscall(SYS_ftruncate, fd, size);
    if (status == 0)
        record(FAULTS_TRUNCATE, 0, "", st.st_ino, 0, size, NULL, 0);
    unlock();
    return status;
}

int ftruncate64(int fd, off64_t size) __attribute__((alias("ftruncate")));

int
ftruncate(int fd, off_t size)
{
    return truncate_file(fd, size);
}

int
fsync(int fd)
{
    int status;

    if (faults == NULL)
        return (int)syscall(SYS_fsync, fd);
    if (!may_go_on(true)) { /* where blocks are chosen late, this is what fails */
        errno = ENOSPC;
        return -1;
    }
    lock();
    status = (int)syscall(SYS_fsync, fd);
    if (status == 0)
        record(FAULTS_SYNC, 0, "", inode_of(fd), 0, 0, NULL, 0);
    unlock();
    return status;
}

int
fdatasync(int fd)
{
    return fsync(fd);
}

static int
move(enum faults_op op, int dir, const char *path, int to_dir, const char *to_path)
{
    const char *name, *to_name;
    uint64_t from, to, file;
    int status;

    if (!may_go_on(true)) {
        errno = ENOSPC;
        return -1;
    }
    lock();
    from = resolve(dir, path, &name);
    to = resolve(to_dir, to_path, &to_name);
    file = inode_at(dir, path);
    status = op == FAULTS_RENAME ? (int)syscall(SYS_renameat, dir, path, to_dir, to_path)
                                 : (int)syscall(SYS_linkat, dir, path, to_dir, to_path, 0);
    if (status == 0)
        record(op, from, name, file, to, 0, to_name, strlen(to_name) + 1);
    unlock();
    return status;
}

int
renameat(int dir, const char *path, int to_dir, const char *to_path)
{
    if (faults == NULL)
        return (int)syscall(SYS_renameat, dir, path, to_dir, to_path);
    return move(FAULTS_RENAME, dir, path, to_dir, to_path);
}

int
linkat(int dir, const char *path, int to_dir, const char *to_path, int flags)
{
    if (faults == NULL)
        return (int)syscall(SYS_linkat, dir, path, to_dir, to_path, flags);
    return move(FAULTS_LINK, dir, path, to_dir, to_path);
}

int
unlinkat(int dir, const char *path, int flags)
{
    const char *name;
    uint64_t folder, file;
    int status;

    if (faults == NULL || faccessat(dir, path, F_OK, AT_SYMLINK_NOFOLLOW) != 0)
        return (int)syscall(SYS_unlinkat, dir, path, flags);
    (void)may_go_on(false);
    lock();
    folder = resolve(dir, path, &name);
    file = inode_at(dir, path);
    status = (int)syscall(SYS_unlinkat, dir, path, flags);
    if (status == 0)
        record(FAULTS_UNLINK, folder, name, file, 0, 0, NULL, 0);
    unlock();
    return status;
}
