/* store.c: see store.h. All paths are relative to the state folder's descriptor,
 * and no link is followed.
 */
#include "store.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "limits.h"
#include "name.h"
#include "state_paths.h"
#include "text.h"

#define MEMORY "memory.json"

static int functions = -1; /* STATE/functions */
static int cache = -1;     /* STATE/cache: a file for each function */
static uint64_t cache_most = UINT64_C(256) << 20;
static pthread_mutex_t cache_lock = PTHREAD_MUTEX_INITIALIZER;
static int state = -1;

#define GONE      ".gone-"
#define LOST      ".lost-"
#define TEMPORARY ".%s.tmp"
#define LIVE_LEN  15 /* of the number in `live` */

static int
open_dir(int at, const char *path)
{
    return openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
}

/* For reading its entries: with a position of its own, which a dup would share. */
static DIR *
list_dir(int fd)
{
    int own = open_dir(fd, ".");
    DIR *dir = own >= 0 ? fdopendir(own) : NULL;

    if (dir == NULL && own >= 0)
        (void)close(own);
    return dir;
}

/* ---- removing ---- */

static int
remove_tree(int at, const char *name)
{
    cleanup_close int fd = -1;
    cleanup_dir DIR *dir = NULL;
    struct dirent *e;

    if (unlinkat(at, name, 0) == 0 || errno == ENOENT)
        return 0;
    fd = open_dir(at, name);
    dir = fd >= 0 ? list_dir(fd) : NULL;
    if (dir == NULL)
        return -errno;
    while ((e = readdir(dir)) != NULL)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            (void)remove_tree(fd, e->d_name);
    return unlinkat(at, name, AT_REMOVEDIR) == 0 ? 0 : -errno;
}

/* What replace_file leaves where it is broken off. */
static unsigned
clean_temporary(int dir, const char *name)
{
    char temporary[64];

    (void)snprintf(temporary, sizeof temporary, TEMPORARY, name);
    return unlinkat(dir, temporary, 0) == 0;
}

/* Removes staged versions, what a deletion left, and files that were not renamed. */
static unsigned
clean_function(int fd)
{
    cleanup_dir DIR *dir = list_dir(fd);
    unsigned cleaned = clean_temporary(fd, "live");
    struct dirent *e;

    while (dir != NULL && (e = readdir(dir)) != NULL) {
        cleanup_close int version = -1;

        if (starts_with(e->d_name, STATE_STAGED))
            cleaned += remove_tree(fd, e->d_name) == 0;
        else if (e->d_name[0] >= '1' && e->d_name[0] <= '9' &&
                 (version = open_dir(fd, e->d_name)) >= 0)
            cleaned += clean_temporary(version, "function.json");
    }
    return cleaned;
}

static unsigned
clean(void)
{
    cleanup_dir DIR *dir = list_dir(functions);
    unsigned cleaned = 0;
    struct dirent *e;

    while (dir != NULL && (e = readdir(dir)) != NULL) {
        cleanup_close int fd = -1;

        if (starts_with(e->d_name, GONE)) {
            cleaned += remove_tree(functions, e->d_name) == 0;
            continue;
        }
        if (!name_function_ok(e->d_name, strlen(e->d_name)) ||
            (fd = open_dir(functions, e->d_name)) < 0)
            continue; /* not of our making */
        cleaned += clean_function(fd);
        /* Empty: its first deploy did not finish. One that holds versions and has lost its
         * `live` stays: they are whole. */
        cleaned += unlinkat(functions, e->d_name, AT_REMOVEDIR) == 0;
    }
    return cleaned;
}

int
store_open(const char *root, unsigned *cleaned, struct hearth_err *err)
{
    state = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (state < 0)
        return err_set(err, errno, "open the state folder");
    if (mkdirat(state, STATE_FUNCTIONS, 0700) != 0 && errno != EEXIST)
        return err_set(err, errno, "make the folder functions in the state folder");
    functions = open_dir(state, STATE_FUNCTIONS);
    if (functions < 0)
        return err_set(err, errno, "open the folder functions in the state folder");
    if (mkdirat(state, STATE_CACHE, 0700) != 0 && errno != EEXIST)
        return err_set(err, errno, "make the folder cache in the state folder");
    cache = open_dir(state, STATE_CACHE);
    if (cache < 0)
        return err_set(err, errno, "open the folder cache in the state folder");
    *cleaned = clean() + clean_temporary(state, "token");
    return 0;
}

/* ---- writing ---- */

static int
write_all(int fd, const void *bytes, size_t len)
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
write_file_unsynced(int dir, const char *name, const void *bytes, size_t len, mode_t mode)
{
    cleanup_close int fd =
        openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);
    int status = fd >= 0 ? write_all(fd, bytes, len) : -errno;

    if (status == 0 && fchmod(fd, mode) != 0)
        status = -errno;
    return status;
}

static int
write_file(int dir, const char *name, const void *bytes, size_t len, mode_t mode)
{
    int status = write_file_unsynced(dir, name, bytes, len, mode);
    cleanup_close int fd = status == 0 ? openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW) : -1;

    if (status == 0 && (fd < 0 || fsync(fd) != 0))
        status = -errno;
    return status;
}

/* A folder with all that is in it. */
static int
sync_tree(int dir)
{
    cleanup_dir DIR *entries = list_dir(dir);
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
            status = sync_tree(fd);
        else if (fsync(fd) != 0)
            status = -errno;
        if (status < 0)
            return status;
    }
    return entries != NULL && fsync(dir) == 0 ? 0 : -errno;
}

/* Replaces a file in one step: the old one or the new one, whatever happens. */
static int
replace_file(int dir, const char *name, const void *bytes, size_t len, mode_t mode)
{
    char temporary[64];
    int status;

    (void)snprintf(temporary, sizeof temporary, TEMPORARY, name);
    status = write_file(dir, temporary, bytes, len, mode);
    if (status == 0 && renameat(dir, temporary, dir, name) != 0)
        status = -errno;
    if (status == 0 && fsync(dir) != 0)
        status = -errno;
    if (status < 0)
        (void)unlinkat(dir, temporary, 0);
    return status;
}

static bool
token_ok(const char *token, ssize_t n)
{
    return n >= 64 && strspn(token, "0123456789abcdef") >= 64;
}

int
store_token(char token[65], struct hearth_err *err)
{
    cleanup_close int fd = openat(state, "token", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    unsigned char random[32];
    char text[66];
    int status;

    if (fd >= 0) {
        ssize_t got = read(fd, text, 65);

        if (!token_ok(text, got))
            return err_set(err, EINVAL, "the file token of the state folder holds no token");
        memcpy(token, text, 64);
        token[64] = '\0';
        return 0;
    }
    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
        return err_set(err, errno, "make a token");
    for (size_t i = 0; i < sizeof random; i++)
        (void)snprintf(token + 2 * i, 3, "%02x", random[i]);
    (void)snprintf(text, sizeof text, "%s\n", token);
    status = replace_file(state, "token", text, 65, 0600);
    return status == 0 ? 0 : err_set(err, -status, "write the file token");
}

/* ---- staging ---- */

static int
open_staged(const char *name, uint32_t version)
{
    char path[STATE_FOLDER_BYTES];

    state_version_folder(path, name, version, true);
    return open_dir(functions, path);
}

int
store_stage(const char *name, uint32_t version, struct hearth_err *err)
{
    char path[STATE_FOLDER_BYTES], source[STATE_FOLDER_BYTES + sizeof "/" STATE_SOURCE];

    if (mkdirat(functions, name, 0700) != 0 && errno != EEXIST)
        return err_set(err, errno, "make the folder of function %s", name);
    state_version_folder(path, name, version, true);
    (void)remove_tree(functions, path);
    if (mkdirat(functions, path, 0700) != 0)
        return err_set(err, errno, "make the folder of version %u", version);
    (void)snprintf(source, sizeof source, "%s/%s", path, STATE_SOURCE);
    /* read by the builder's user, through a mount of this folder alone */
    if (mkdirat(functions, source, 0755) != 0)
        return err_set(err, errno, "make the source folder of version %u", version);
    return 0;
}

/* Makes the folders of path below dir, and opens the last one. *path: what is left, a name. */
static int
open_folders(int dir, const char **path, struct hearth_err *err)
{
    char part[NAME_MAX + 1];
    cleanup_close int at = fcntl(dir, F_DUPFD_CLOEXEC, 0);

    for (const char *slash; at >= 0 && (slash = strchr(*path, '/')) != NULL; *path = slash + 1) {
        int deeper;

        (void)snprintf(part, sizeof part, "%.*s", (int)(slash - *path), *path);
        if (mkdirat(at, part, 0755) != 0 && errno != EEXIST)
            return err_set(err, errno, "make the folder %s", part);
        deeper = open_dir(at, part);
        (void)close(at);
        at = deeper;
    }
    return at >= 0 ? take_fd(&at) : err_set(err, errno, "open a folder of the sources");
}

int
store_stage_source(const char *name, uint32_t version, const char *path, const void *bytes,
                   size_t len, struct hearth_err *err)
{
    cleanup_close int staged = open_staged(name, version);
    cleanup_close int source = staged >= 0 ? open_dir(staged, STATE_SOURCE) : -1;
    cleanup_close int dir = -1;
    int status;

    if (source < 0)
        return err_set(err, errno, "open the source folder");
    dir = open_folders(source, &path, err);
    if (dir < 0)
        return dir;
    status = write_file_unsynced(dir, path, bytes, len, 0644);
    return status == 0 ? 0 : err_set(err, -status, "write %s", path);
}

int
store_stage_file(const char *name, uint32_t version, const char *path, struct hearth_err *err)
{
    cleanup_close int staged = open_staged(name, version);
    cleanup_close int source = staged >= 0 ? open_dir(staged, STATE_SOURCE) : -1;
    cleanup_close int files = -1, dir = -1;
    const char *last = path;

    /* read by the workers' users, through a mount of this folder alone */
    if (source >= 0 && (mkdirat(staged, STATE_FILES, 0755) == 0 || errno == EEXIST))
        files = open_dir(staged, STATE_FILES);
    if (files < 0)
        return err_set(err, errno, "make the folder of the files of version %u", version);
    dir = open_folders(files, &last, err);
    if (dir < 0)
        return dir;
    return linkat(source, path, dir, last, 0) == 0 ? 0 : err_set(err, errno, "keep %s", path);
}

int
store_stage_object(const char *name, uint32_t version, const void *bytes, size_t len,
                   struct hearth_err *err)
{
    cleanup_close int dir = open_staged(name, version);
    int status = dir >= 0 ? write_file(dir, STATE_OBJECT, bytes, len, 0644) : -errno;

    return status == 0 ? 0 : err_set(err, -status, "write the object");
}

int
store_stage_object_from(const char *name, uint32_t version, int fd, struct hearth_err *err)
{
    off_t size = lseek(fd, 0, SEEK_END);
    cleanup_free char *bytes = NULL;

    if (size < 0 || size > LIMIT_OBJECT)
        return err_set(err, EFBIG, "the object has more than %d bytes", LIMIT_OBJECT);
    bytes = malloc((size_t)size + 1);
    if (bytes == NULL || pread(fd, bytes, (size_t)size, 0) != size)
        return err_set(err, bytes == NULL ? ENOMEM : errno, "read the object");
    return store_stage_object(name, version, bytes, (size_t)size, err);
}

void
store_sync_sources(const char *name, uint32_t version)
{
    cleanup_close int staged = open_staged(name, version);
    cleanup_close int source = staged >= 0 ? open_dir(staged, STATE_SOURCE) : -1;

    if (source >= 0)
        (void)sync_tree(source); /* a failure shows again in store_commit */
}

int
store_stage_plan(const char *name, uint32_t version, const char *text, struct hearth_err *err)
{
    cleanup_close int dir = open_staged(name, version);
    int status = dir >= 0 ? write_file(dir, STATE_BUILD, text, strlen(text), 0600) : -errno;

    return status == 0 ? 0 : err_set(err, -status, "write the plan of the build");
}

#define ENTRY_BYTES 512 /* of an inode */

/* What is not written yet has no blocks. */
static int64_t
bytes_of(const struct stat *st)
{
    int64_t blocks = (int64_t)st->st_blocks * 512;
    int64_t size = (st->st_size + 4095) / 4096 * 4096;

    return blocks > size ? blocks : size;
}

static int64_t
tree_bytes(int dir)
{
    cleanup_dir DIR *entries = list_dir(dir);
    int64_t total;
    struct dirent *e;
    struct stat st;

    if (fstat(dir, &st) != 0)
        return -errno;
    total = ENTRY_BYTES + bytes_of(&st);
    while (entries != NULL && (e = readdir(entries)) != NULL) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        if (fstatat(dir, e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
            return -errno;
        if (S_ISDIR(st.st_mode)) {
            cleanup_close int fd = open_dir(dir, e->d_name);
            int64_t below = fd >= 0 ? tree_bytes(fd) : -errno;

            if (below < 0)
                return below;
            total += below;
        } else {
            total += ENTRY_BYTES + bytes_of(&st) / (int64_t)st.st_nlink; /* files/x is source/x */
        }
    }
    return entries != NULL ? total : -errno;
}

int64_t
store_staged_bytes(const char *name, uint32_t version)
{
    cleanup_close int dir = open_staged(name, version);

    return dir >= 0 ? tree_bytes(dir) : -errno;
}

void
store_unstage(const char *name, uint32_t version)
{
    char path[STATE_FOLDER_BYTES];
    cleanup_close int dir = -1;

    state_version_folder(path, name, version, true);
    (void)remove_tree(functions, path);
    dir = open_dir(functions, name);
    if (dir >= 0 && faccessat(dir, "live", F_OK, 0) != 0)
        (void)unlinkat(functions, name, AT_REMOVEDIR); /* its first deploy failed */
    if (dir < 0 || faccessat(dir, "live", F_OK, 0) != 0)
        (void)unlinkat(cache, name, 0); /* nobody could ask for its removal */
}

static char *
read_file(int dir, const char *path, size_t most)
{
    cleanup_close int fd = openat(dir, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    cleanup_free char *text = fd >= 0 ? malloc(most + 1) : NULL;
    ssize_t got = text != NULL ? read(fd, text, most) : -1;

    if (got < 0)
        return NULL;
    text[got] = '\0';
    return take_ptr(text);
}

/* The number that `live` held before, NULL for none. */
static bool
holds(int dir, const char *was)
{
    cleanup_free char *text = read_file(dir, "live", LIVE_LEN);

    return was == NULL ? text == NULL : text != NULL && strcmp(text, was) == 0;
}

/* After a step that failed, and may have come as far as the new number: whether the old one
 * stands there again. */
static bool
restore_live(int dir, const char *was)
{
    if (holds(dir, was))
        return true;
    if (was != NULL)
        (void)replace_file(dir, "live", was, strlen(was), 0600);
    else
        (void)unlinkat(dir, "live", 0);
    return holds(dir, was);
}

int
store_live(const char *name, uint32_t version, struct hearth_err *err)
{
    cleanup_close int dir = open_dir(functions, name);
    char text[16];
    int n = snprintf(text, sizeof text, "%u\n", version);
    int status = dir >= 0 ? replace_file(dir, "live", text, (size_t)n, 0600) : -errno;

    return status == 0 ? 0 : err_set(err, -status, "make version %u of %s live", version, name);
}

int
store_commit(const char *name, uint32_t version, const char *json, struct hearth_err *err)
{
    cleanup_close int dir = open_dir(functions, name);
    cleanup_close int staged = open_staged(name, version);
    cleanup_close int source = staged >= 0 ? open_dir(staged, STATE_SOURCE) : -1;
    cleanup_close int files =
        staged >= 0 ? open_dir(staged, STATE_FILES) : -1; /* not all have it */
    cleanup_free char *was = NULL;
    char from[32], to[16];
    int status = staged >= 0 && dir >= 0 && source >= 0 ? 0 : -ENOENT;

    if (status == 0 && (was = read_file(dir, "live", LIVE_LEN)) == NULL && errno != ENOENT)
        status = -errno; /* what cannot be read could not be put back */
    if (status == 0)
        status = write_file(staged, "function.json", json, strlen(json), 0600);
    if (status == 0)
        status = sync_tree(source);
    if (status == 0 && files >= 0)
        status = sync_tree(files);
    if (status == 0 && fsync(staged) != 0)
        status = -errno;
    (void)snprintf(from, sizeof from, STATE_STAGED "%u", version);
    (void)snprintf(to, sizeof to, "%u", version);
    if (status == 0 && renameat(dir, from, dir, to) != 0)
        status = -errno;
    if (status == 0 && (fsync(dir) != 0 || fsync(functions) != 0))
        status = -errno;
    if (status < 0)
        return err_set(err, -status, "keep version %u of %s", version, name);
    status = store_live(name, version, err);
    if (status < 0 && restore_live(dir, was)) /* not live: back to what can be removed */
        (void)renameat(dir, to, dir, from);
    return status;
}

int
store_settings(const char *name, uint32_t version, const char *json, struct hearth_err *err)
{
    char path[LIMIT_NAME + 16];
    cleanup_close int dir = -1;
    int status;

    (void)snprintf(path, sizeof path, "%s/%u", name, version);
    dir = open_dir(functions, path);
    status = dir >= 0 ? replace_file(dir, "function.json", json, strlen(json), 0600) : -errno;
    return status == 0 ? 0 : err_set(err, -status, "write the settings of %s", name);
}

int
store_folder(const char *name)
{
    return open_dir(functions, name);
}

int
store_keep_memory(const char *name, const char *json, struct hearth_err *err)
{
    cleanup_close int dir = open_dir(functions, name);
    int status = dir >= 0 ? replace_file(dir, MEMORY, json, strlen(json), 0600) : -errno;

    return status == 0 ? 0 : err_set(err, -status, "keep what was measured of %s", name);
}

char *
store_memory(const char *name)
{
    cleanup_close int dir = open_dir(functions, name);

    return dir >= 0 ? read_file(dir, MEMORY, LIMIT_JSON_BODY) : NULL;
}

unsigned char *
store_object(const char *name, uint32_t version, size_t *len)
{
    char path[STATE_FOLDER_BYTES + sizeof "/" STATE_OBJECT];
    cleanup_close int fd = -1;
    cleanup_free unsigned char *bytes = NULL;
    struct stat st;
    ssize_t got;

    (void)snprintf(path, sizeof path, "%s/%u/" STATE_OBJECT, name, version);
    fd = openat(functions, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 || fstat(fd, &st) != 0 || st.st_size <= 0 || st.st_size > LIMIT_OBJECT)
        return NULL;
    bytes = malloc((size_t)st.st_size);
    got = bytes != NULL ? pread(fd, bytes, (size_t)st.st_size, 0) : -1;
    if (got != st.st_size)
        return NULL;
    *len = (size_t)got;
    return take_ptr(bytes);
}

int
store_remove_version(const char *name, uint32_t version, struct hearth_err *err)
{
    cleanup_close int dir = open_dir(functions, name);
    char from[16], to[32];

    (void)snprintf(from, sizeof from, "%u", version);
    (void)snprintf(to, sizeof to, STATE_STAGED "%u", version);
    /* renamed first: half removed, it is a thing to clean and no version */
    if (dir < 0 || renameat(dir, from, dir, to) != 0)
        return err_set(err, errno, "remove version %u of %s", version, name);
    (void)remove_tree(dir, to);
    return 0;
}

int
store_remove(const char *name, struct hearth_err *err)
{
    char gone[LIMIT_NAME + 16];

    (void)snprintf(gone, sizeof gone, GONE "%s", name);
    (void)remove_tree(functions, gone);
    if (renameat(functions, name, functions, gone) != 0)
        return err_set(err, errno, "remove function %s", name);
    if (fsync(functions) != 0) {
        int status = err_set(err, errno, "remove function %s", name);

        (void)renameat(functions, gone, functions, name);
        return status;
    }
    (void)remove_tree(functions, gone);
    (void)unlinkat(cache, name, 0);
    return 0;
}

int
store_set_aside(const char *name, struct hearth_err *err)
{
    char lost[LIMIT_NAME + 16];

    if (unlinkat(functions, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
        return 0; /* nothing in it, or not there */
    (void)snprintf(lost, sizeof lost, LOST "%s", name);
    (void)remove_tree(functions, lost); /* an earlier one of that name */
    if (renameat(functions, name, functions, lost) != 0)
        return err_set(err, errno, "set the files of %s aside", name);
    return 0;
}

/* ---- object files of earlier builds ---- */

#define CACHE_LEAST 64 /* bytes; a smaller file holds no object */

void
store_limit_cache(uint64_t bytes)
{
    cache_most = bytes;
}

/* The one that was written longest ago; "" where there is none. Adds up all sizes. */
static void
find_oldest(char *name, size_t room, uint64_t *total)
{
    cleanup_dir DIR *dir = list_dir(cache);
    struct timespec oldest = {0};
    struct dirent *e;
    struct stat st;

    name[0] = '\0';
    *total = 0;
    while (dir != NULL && (e = readdir(dir)) != NULL) {
        if (e->d_name[0] == '.' || fstatat(cache, e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
            continue;
        *total += (uint64_t)(ENTRY_BYTES + bytes_of(&st));
        if (name[0] == '\0' || st.st_mtim.tv_sec < oldest.tv_sec ||
            (st.st_mtim.tv_sec == oldest.tv_sec && st.st_mtim.tv_nsec < oldest.tv_nsec)) {
            (void)snprintf(name, room, "%s", e->d_name);
            oldest = st.st_mtim;
        }
    }
}

static void
bound_cache(void)
{
    char oldest[NAME_MAX + 1];
    uint64_t total;

    for (;;) {
        find_oldest(oldest, sizeof oldest, &total);
        if (total <= cache_most || oldest[0] == '\0' || unlinkat(cache, oldest, 0) != 0)
            return;
    }
}

/* Not synced: after a power cut it may be anything, and whoever reads it looks. */
static int
copy_to_cache(const char *name, int from, off_t size)
{
    cleanup_close int fd =
        openat(cache, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    char bytes[65536];
    off_t at = 0;

    while (fd >= 0 && at < size) {
        ssize_t got = pread(from, bytes, sizeof bytes, at);

        if (got <= 0 || write_all(fd, bytes, (size_t)got) < 0)
            return -EIO;
        at += got;
    }
    return fd >= 0 ? 0 : -errno;
}

void
store_keep_cache(const char *name, int fd)
{
    off_t size = fd >= 0 ? lseek(fd, 0, SEEK_END) : 0;
    char temporary[LIMIT_NAME + 8];

    if (size < CACHE_LEAST || size > LIMIT_BUILD_CACHE || cache_most == 0)
        return;
    (void)snprintf(temporary, sizeof temporary, TEMPORARY, name);
    if (copy_to_cache(temporary, fd, size) < 0 || renameat(cache, temporary, cache, name) != 0) {
        (void)unlinkat(cache, temporary, 0);
        return;
    }
    (void)pthread_mutex_lock(&cache_lock);
    bound_cache();
    (void)pthread_mutex_unlock(&cache_lock);
}

/* ---- reading ---- */

static void
load_function(int dir, const char *name, store_version_fn on_version, void *user)
{
    cleanup_free char *text = read_file(dir, "live", LIVE_LEN);
    cleanup_dir DIR *entries = list_dir(dir);
    unsigned long live = text != NULL ? strtoul(text, NULL, 10) : 0;
    struct dirent *e;

    while (entries != NULL && (e = readdir(entries)) != NULL) {
        cleanup_free char *json = NULL;
        char path[NAME_MAX + 32];
        unsigned long version;
        struct stat st = {0};
        char *end;

        version = strtoul(e->d_name, &end, 10);
        if (e->d_name[0] < '1' || e->d_name[0] > '9' || *end != '\0' || version > UINT32_MAX)
            continue;
        (void)snprintf(path, sizeof path, "%s/" STATE_OBJECT, e->d_name);
        if (fstatat(dir, path, &st, AT_SYMLINK_NOFOLLOW) == 0) { /* else it is no version */
            (void)snprintf(path, sizeof path, "%s/function.json", e->d_name);
            json = read_file(dir, path, LIMIT_JSON_BODY);
        }
        on_version(user, name, (uint32_t)version, json, version == live, st.st_size);
    }
}

int
store_load(store_version_fn on_version, void *user, struct hearth_err *err)
{
    cleanup_dir DIR *dir = list_dir(functions);
    struct dirent *e;

    if (dir == NULL)
        return err_set(err, errno, "read the folder functions");
    while ((e = readdir(dir)) != NULL) {
        cleanup_close int fd = -1;

        if (!name_function_ok(e->d_name, strlen(e->d_name)))
            continue;
        fd = open_dir(functions, e->d_name);
        if (fd >= 0)
            load_function(fd, e->d_name, on_version, user);
    }
    return 0;
}
