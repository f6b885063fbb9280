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
#include "files.h"
#include "limits.h"
#include "name.h"
#include "state_paths.h"
#include "text.h"

#define LIVE   "live"
#define MEMORY "memory.json"

static int functions = -1; /* STATE/functions */
static int cache = -1;     /* STATE/cache: a file for each function */
static uint64_t cache_most = UINT64_C(256) << 20;
static pthread_mutex_t cache_lock = PTHREAD_MUTEX_INITIALIZER;
static int state = -1;

#define GONE     ".gone-"
#define LOST     ".lost-"
#define LIVE_LEN 15 /* of the number in `live` */

#define FORMAT_LEN 15

/* ---- removing ---- */

/* What files_replace leaves where it is broken off. */
static unsigned
clean_temporary(int dir, const char *name)
{
    char temporary[64];

    (void)snprintf(temporary, sizeof temporary, FILES_TEMPORARY, name);
    return unlinkat(dir, temporary, 0) == 0;
}

/* Else it is of a copy that was made while the daemon ran. */
static bool
is_whole(int fd, const char *staged)
{
    char path[NAME_MAX];

    (void)snprintf(path, sizeof path, "%s/function.json", staged);
    if (faccessat(fd, path, F_OK, 0) != 0)
        return false;
    (void)snprintf(path, sizeof path, "%s/" STATE_OBJECT, staged);
    return faccessat(fd, path, F_OK, 0) == 0;
}

/* The number in `live`; 0: there is none. */
static unsigned long
live_version(int dir)
{
    cleanup_free char *text = files_read(dir, LIVE, LIVE_LEN);

    return text != NULL ? strtoul(text, NULL, 10) : 0;
}

/* Of a deploy that was broken off after it wrote `live`, which is the moment from which it counts:
 * what remained to be done. */
static void
finish_commit(int fd)
{
    unsigned long live = live_version(fd);
    char staged[32], version[32];

    (void)snprintf(staged, sizeof staged, STATE_STAGED "%lu", live);
    (void)snprintf(version, sizeof version, "%lu", live);
    if (live > 0 && faccessat(fd, version, F_OK, 0) != 0 && is_whole(fd, staged))
        (void)renameat(fd, staged, fd, version); /* most often there is none */
}

/* Removes staged versions, what a deletion left, and files that were not renamed. */
static unsigned
clean_function(int fd)
{
    cleanup_dir DIR *dir = NULL;
    unsigned cleaned = clean_temporary(fd, LIVE) + clean_temporary(fd, MEMORY);
    struct dirent *e;

    finish_commit(fd);
    dir = files_list(fd);
    while (dir != NULL && (e = readdir(dir)) != NULL) {
        cleanup_close int version = -1;

        if (starts_with(e->d_name, STATE_STAGED))
            cleaned += files_remove_tree(fd, e->d_name) == 0;
        else if (e->d_name[0] >= '1' && e->d_name[0] <= '9' &&
                 (version = files_open_dir(fd, e->d_name)) >= 0)
            cleaned += clean_temporary(version, "function.json");
    }
    return cleaned;
}

static unsigned
clean(void)
{
    cleanup_dir DIR *dir = files_list(functions);
    unsigned cleaned = 0;
    struct dirent *e;

    while (dir != NULL && (e = readdir(dir)) != NULL) {
        cleanup_close int fd = -1;

        if (starts_with(e->d_name, GONE)) {
            cleaned += files_remove_tree(functions, e->d_name) == 0;
            continue;
        }
        if (!name_function_ok(e->d_name, strlen(e->d_name)) ||
            (fd = files_open_dir(functions, e->d_name)) < 0)
            continue; /* not of our making */
        cleaned += clean_function(fd);
        /* Empty: its first deploy did not finish. One that holds versions and has lost its
         * `live` stays: they are whole. */
        cleaned += unlinkat(functions, e->d_name, AT_REMOVEDIR) == 0;
    }
    return cleaned;
}

static unsigned
clean_cache(void)
{
    cleanup_dir DIR *dir = files_list(cache);
    unsigned cleaned = 0;
    struct dirent *e;

    while (dir != NULL && (e = readdir(dir)) != NULL)
        if (e->d_name[0] == '.' && e->d_name[1] != '.' && e->d_name[1] != '\0')
            cleaned += unlinkat(cache, e->d_name, 0) == 0;
    return cleaned;
}

/* A folder without the number is of the time before there was one: format 1. */
static int
check_format(struct hearth_err *err)
{
    cleanup_free char *text = files_read(state, STATE_FORMAT_FILE, FORMAT_LEN);
    char *end = text;
    unsigned long format =
        text != NULL && text[0] >= '1' && text[0] <= '9' ? strtoul(text, &end, 10) : text == NULL;
    char now[FORMAT_LEN];
    int n;

    if (text == NULL && errno != ENOENT)
        return err_set(err, errno, "read the file " STATE_FORMAT_FILE " of the state folder");
    if (format < 1 || (text != NULL && end[strspn(end, "\n")] != '\0'))
        return err_set(err, 0,
                       "the file " STATE_FORMAT_FILE " of the state folder holds no number");
    if (format > STATE_FORMAT)
        return err_set(
            err, 0,
            "the state folder has format %lu, of a later Hearth; this one (" HEARTH_VERSION
            ") reads up to %d",
            format, STATE_FORMAT);
    if (text != NULL && format == STATE_FORMAT)
        return 0;
    n = snprintf(now, sizeof now, "%d\n", STATE_FORMAT);
    (void)files_replace(state, STATE_FORMAT_FILE, now, (size_t)n, 0600); /* else the next time */
    return 0;
}

int
store_open(const char *root, unsigned *cleaned, struct hearth_err *err)
{
    state = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (state < 0)
        return err_set(err, errno, "open the state folder");
    if (check_format(err) < 0)
        return err->code < 0 ? err->code : -EINVAL;
    if (mkdirat(state, STATE_FUNCTIONS, 0700) != 0 && errno != EEXIST)
        return err_set(err, errno, "make the folder functions in the state folder");
    functions = files_open_dir(state, STATE_FUNCTIONS);
    if (functions < 0)
        return err_set(err, errno, "open the folder functions in the state folder");
    if (mkdirat(state, STATE_CACHE, 0700) != 0 && errno != EEXIST)
        return err_set(err, errno, "make the folder cache in the state folder");
    cache = files_open_dir(state, STATE_CACHE);
    if (cache < 0)
        return err_set(err, errno, "open the folder cache in the state folder");
    *cleaned = clean() + clean_cache() + clean_temporary(state, "token") +
               clean_temporary(state, STATE_FORMAT_FILE);
    return 0;
}

/* ---- writing ---- */

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
    status = files_replace(state, "token", text, 65, 0600);
    return status == 0 ? 0 : err_set(err, -status, "write the file token");
}

/* ---- staging ---- */

static int
open_staged(const char *name, uint32_t version)
{
    char path[STATE_FOLDER_BYTES];

    state_version_folder(path, name, version, true);
    return files_open_dir(functions, path);
}

int
store_stage(const char *name, uint32_t version, struct hearth_err *err)
{
    char path[STATE_FOLDER_BYTES], source[STATE_FOLDER_BYTES + sizeof "/" STATE_SOURCE];

    if (mkdirat(functions, name, 0700) != 0 && errno != EEXIST)
        return err_set(err, errno, "make the folder of function %s", name);
    state_version_folder(path, name, version, true);
    (void)files_remove_tree(functions, path);
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
        deeper = files_open_dir(at, part);
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
    cleanup_close int source = staged >= 0 ? files_open_dir(staged, STATE_SOURCE) : -1;
    cleanup_close int dir = -1;
    int status;

    if (source < 0)
        return err_set(err, errno, "open the source folder");
    dir = open_folders(source, &path, err);
    if (dir < 0)
        return dir;
    status = files_write_unsynced(dir, path, bytes, len, 0644);
    return status == 0 ? 0 : err_set(err, -status, "write %s", path);
}

int
store_stage_file(const char *name, uint32_t version, const char *path, struct hearth_err *err)
{
    cleanup_close int staged = open_staged(name, version);
    cleanup_close int source = staged >= 0 ? files_open_dir(staged, STATE_SOURCE) : -1;
    cleanup_close int files = -1, dir = -1;
    const char *last = path;

    /* read by the workers' users, through a mount of this folder alone */
    if (source >= 0 && (mkdirat(staged, STATE_FILES, 0755) == 0 || errno == EEXIST))
        files = files_open_dir(staged, STATE_FILES);
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
    int status = dir >= 0 ? files_write(dir, STATE_OBJECT, bytes, len, 0644) : -errno;

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
    cleanup_close int source = staged >= 0 ? files_open_dir(staged, STATE_SOURCE) : -1;

    if (source >= 0)
        (void)files_sync_tree(source); /* a failure shows again in store_commit */
}

int
store_stage_plan(const char *name, uint32_t version, const char *text, struct hearth_err *err)
{
    cleanup_close int dir = open_staged(name, version);
    int status = dir >= 0 ? files_write(dir, STATE_BUILD, text, strlen(text), 0600) : -errno;

    return status == 0 ? 0 : err_set(err, -status, "write the plan of the build");
}

int64_t
store_staged_bytes(const char *name, uint32_t version)
{
    cleanup_close int dir = open_staged(name, version);

    return dir >= 0 ? files_tree_bytes(dir) : -errno;
}

void
store_unstage(const char *name, uint32_t version)
{
    char path[STATE_FOLDER_BYTES];
    cleanup_close int dir = files_open_dir(functions, name);

    if (dir >= 0 && live_version(dir) == version)
        return; /* it could not be taken back: then it is what a start must find */
    state_version_folder(path, name, version, true);
    (void)files_remove_tree(functions, path);
    if (dir >= 0 && faccessat(dir, LIVE, F_OK, 0) != 0)
        (void)unlinkat(functions, name, AT_REMOVEDIR); /* its first deploy failed */
    if (dir < 0 || faccessat(dir, LIVE, F_OK, 0) != 0)
        (void)unlinkat(cache, name, 0); /* nobody could ask for its removal */
}

/* The number that `live` held before, NULL for none. */
static bool
holds(int dir, const char *was)
{
    cleanup_free char *text = files_read(dir, LIVE, LIVE_LEN);

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
        (void)files_replace(dir, LIVE, was, strlen(was), 0600);
    else
        (void)unlinkat(dir, LIVE, 0);
    return holds(dir, was);
}

int
store_live(const char *name, uint32_t version, struct hearth_err *err)
{
    cleanup_close int dir = files_open_dir(functions, name);
    char text[16];
    int n = snprintf(text, sizeof text, "%u\n", version);
    int status = dir >= 0 ? files_replace(dir, LIVE, text, (size_t)n, 0600) : -errno;

    return status == 0 ? 0 : err_set(err, -status, "make version %u of %s live", version, name);
}

/* Writes what is staged to the disk, with its name in the function's folder, and that folder's. */
static int
sync_staged(int dir, int staged, const char *json)
{
    cleanup_close int source = files_open_dir(staged, STATE_SOURCE);
    cleanup_close int files = files_open_dir(staged, STATE_FILES); /* not all have it */
    int status = source >= 0 ? 0 : -errno;

    if (status == 0)
        status = files_write(staged, "function.json", json, strlen(json), 0600);
    if (status == 0)
        status = files_sync_tree(source);
    if (status == 0 && files >= 0)
        status = files_sync_tree(files);
    if (status == 0 && (fsync(staged) != 0 || fsync(dir) != 0 || fsync(functions) != 0))
        status = -errno;
    return status;
}

/* The version counts from the moment in which `live` names it. It gets its last name after that: a
 * start that finds the old name does it. The other way round, a version that nobody was told of
 * would be left where it is broken off in between. */
int
store_commit(const char *name, uint32_t version, const char *json, bool live,
             struct hearth_err *err)
{
    cleanup_close int dir = files_open_dir(functions, name);
    cleanup_close int staged = open_staged(name, version);
    cleanup_free char *was = NULL;
    char from[32], to[16];
    int status = staged >= 0 && dir >= 0 ? 0 : -ENOENT;

    if (status == 0 && (was = files_read(dir, LIVE, LIVE_LEN)) == NULL && errno != ENOENT)
        status = -errno; /* what cannot be read could not be put back */
    if (status == 0)
        status = sync_staged(dir, staged, json);
    if (status < 0)
        return err_set(err, -status, "keep version %u of %s", version, name);
    if (live)
        status = store_live(name, version, err);
    (void)snprintf(from, sizeof from, STATE_STAGED "%u", version);
    (void)snprintf(to, sizeof to, "%u", version);
    if (status == 0 && renameat(dir, from, dir, to) != 0)
        status = err_set(err, errno, "name version %u of %s", version, name);
    if (status == 0 && fsync(dir) != 0)
        status = err_set(err, errno, "keep version %u of %s", version, name);
    if (status < 0 && (!live || restore_live(dir, was))) /* not live: back to what can be removed */
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
    dir = files_open_dir(functions, path);
    status = dir >= 0 ? files_replace(dir, "function.json", json, strlen(json), 0600) : -errno;
    return status == 0 ? 0 : err_set(err, -status, "write the settings of %s", name);
}

int
store_version_folder(const char *name, uint32_t version)
{
    char path[STATE_FOLDER_BYTES];

    state_version_folder(path, name, version, false);
    return files_open_dir(functions, path);
}

int
store_folder(const char *name)
{
    return files_open_dir(functions, name);
}

int
store_keep_memory(const char *name, const char *json, struct hearth_err *err)
{
    cleanup_close int dir = files_open_dir(functions, name);
    int status = dir >= 0 ? files_replace(dir, MEMORY, json, strlen(json), 0600) : -errno;

    return status == 0 ? 0 : err_set(err, -status, "keep what was measured of %s", name);
}

char *
store_memory(const char *name)
{
    cleanup_close int dir = files_open_dir(functions, name);

    return dir >= 0 ? files_read(dir, MEMORY, LIMIT_JSON_BODY) : NULL;
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
    cleanup_close int dir = files_open_dir(functions, name);
    char from[16], to[32];

    (void)snprintf(from, sizeof from, "%u", version);
    (void)snprintf(to, sizeof to, STATE_STAGED "%u", version);
    /* renamed first, on the disk too: half removed, it is a thing to clean and no version */
    if (dir < 0 || renameat(dir, from, dir, to) != 0 || fsync(dir) != 0)
        return err_set(err, errno, "remove version %u of %s", version, name);
    (void)files_remove_tree(dir, to);
    return 0;
}

int
store_remove(const char *name, struct hearth_err *err)
{
    char gone[LIMIT_NAME + 16];

    (void)snprintf(gone, sizeof gone, GONE "%s", name);
    if (faccessat(functions, name, F_OK, 0) == 0) /* else an earlier attempt came as far as this */
        (void)files_remove_tree(functions, gone);
    if (renameat(functions, name, functions, gone) != 0 && errno != ENOENT)
        return err_set(err, errno, "remove function %s", name);
    if (fsync(functions) != 0) {
        int status = err_set(err, errno, "remove function %s", name);

        (void)renameat(functions, gone, functions, name);
        return status;
    }
    (void)files_remove_tree(functions, gone);
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
    (void)files_remove_tree(functions, lost); /* an earlier one of that name */
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
    cleanup_dir DIR *dir = files_list(cache);
    struct timespec oldest = {0};
    struct dirent *e;
    struct stat st;

    name[0] = '\0';
    *total = 0;
    while (dir != NULL && (e = readdir(dir)) != NULL) {
        if (e->d_name[0] == '.' || fstatat(cache, e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
            continue;
        *total += (uint64_t)(FILES_ENTRY_BYTES + files_bytes(&st));
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

        if (got <= 0 || files_write_all(fd, bytes, (size_t)got) < 0)
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
    (void)snprintf(temporary, sizeof temporary, FILES_TEMPORARY, name);
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
    cleanup_dir DIR *entries = files_list(dir);
    unsigned long live = live_version(dir);
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
            json = files_read(dir, path, LIMIT_JSON_BODY);
        }
        on_version(user, name, (uint32_t)version, json, version == live, st.st_size);
    }
}

int
store_load(store_version_fn on_version, void *user, struct hearth_err *err)
{
    cleanup_dir DIR *dir = files_list(functions);
    struct dirent *e;

    if (dir == NULL)
        return err_set(err, errno, "read the folder functions");
    while ((e = readdir(dir)) != NULL) {
        cleanup_close int fd = -1;

        if (!name_function_ok(e->d_name, strlen(e->d_name)))
            continue;
        fd = files_open_dir(functions, e->d_name);
        if (fd >= 0)
            load_function(fd, e->d_name, on_version, user);
    }
    return 0;
}
