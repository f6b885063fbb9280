/* store.c: see store.h. All paths are relative to the state folder's descriptor,
 * and no link is followed.
 */
#include "functions/store.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/limits.h>
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

static int functions = -1; /* STATE/functions */
static int state = -1;

#define STAGED    "tmp-"
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

static bool
starts_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
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

        if (starts_with(e->d_name, STAGED))
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
    if (mkdirat(state, "functions", 0700) != 0 && errno != EEXIST)
        return err_set(err, errno, "make the folder functions in the state folder");
    functions = open_dir(state, "functions");
    if (functions < 0)
        return err_set(err, errno, "open the folder functions in the state folder");
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
write_file(int dir, const char *name, const void *bytes, size_t len, mode_t mode)
{
    cleanup_close int fd =
        openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);
    int status = fd >= 0 ? write_all(fd, bytes, len) : -errno;

    if (status == 0 && (fchmod(fd, mode) != 0 || fsync(fd) != 0))
        status = -errno;
    return status;
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
    char path[LIMIT_NAME + 32];

    (void)snprintf(path, sizeof path, "%s/" STAGED "%u", name, version);
    return open_dir(functions, path);
}

int
store_stage(const char *name, uint32_t version, struct hearth_err *err)
{
    char path[LIMIT_NAME + 48];

    if (mkdirat(functions, name, 0700) != 0 && errno != EEXIST)
        return err_set(err, errno, "make the folder of function %s", name);
    (void)snprintf(path, sizeof path, "%s/" STAGED "%u", name, version);
    (void)remove_tree(functions, path);
    if (mkdirat(functions, path, 0700) != 0)
        return err_set(err, errno, "make the folder of version %u", version);
    (void)snprintf(path, sizeof path, "%s/" STAGED "%u/source", name, version);
    /* read by the builder's user, through a mount of this folder alone */
    if (mkdirat(functions, path, 0755) != 0)
        return err_set(err, errno, "make the source folder of version %u", version);
    return 0;
}

int
store_stage_source(const char *name, uint32_t version, const char *path, const void *bytes,
                   size_t len, struct hearth_err *err)
{
    cleanup_close int staged = open_staged(name, version);
    cleanup_close int dir = staged >= 0 ? open_dir(staged, "source") : -1;
    char part[NAME_MAX + 1];
    int status;

    for (const char *slash; dir >= 0 && (slash = strchr(path, '/')) != NULL; path = slash + 1) {
        int deeper;

        (void)snprintf(part, sizeof part, "%.*s", (int)(slash - path), path);
        if (mkdirat(dir, part, 0755) != 0 && errno != EEXIST)
            return err_set(err, errno, "make the folder %s", part);
        deeper = open_dir(dir, part);
        (void)close(dir);
        dir = deeper;
    }
    if (dir < 0)
        return err_set(err, errno, "open the source folder");
    status = write_file(dir, path, bytes, len, 0644);
    return status == 0 ? 0 : err_set(err, -status, "write %s", path);
}

int
store_stage_object(const char *name, uint32_t version, const void *bytes, size_t len,
                   struct hearth_err *err)
{
    cleanup_close int dir = open_staged(name, version);
    int status = dir >= 0 ? write_file(dir, "function.so", bytes, len, 0644) : -errno;

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
store_unstage(const char *name, uint32_t version)
{
    char path[LIMIT_NAME + 32];
    cleanup_close int dir = -1;

    (void)snprintf(path, sizeof path, "%s/" STAGED "%u", name, version);
    (void)remove_tree(functions, path);
    dir = open_dir(functions, name);
    if (dir >= 0 && faccessat(dir, "live", F_OK, 0) != 0)
        (void)unlinkat(functions, name, AT_REMOVEDIR); /* its first deploy failed */
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
    cleanup_close int source = staged >= 0 ? open_dir(staged, "source") : -1;
    cleanup_free char *was = NULL;
    char from[32], to[16];
    int status = staged >= 0 && dir >= 0 && source >= 0 ? 0 : -errno;

    if (status == 0 && (was = read_file(dir, "live", LIVE_LEN)) == NULL && errno != ENOENT)
        status = -errno; /* what cannot be read could not be put back */
    if (status == 0)
        status = write_file(staged, "function.json", json, strlen(json), 0600);
    if (status == 0 && (fsync(source) != 0 || fsync(staged) != 0))
        status = -errno;
    (void)snprintf(from, sizeof from, STAGED "%u", version);
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
store_remove_version(const char *name, uint32_t version, struct hearth_err *err)
{
    cleanup_close int dir = open_dir(functions, name);
    char from[16], to[32];

    (void)snprintf(from, sizeof from, "%u", version);
    (void)snprintf(to, sizeof to, STAGED "%u", version);
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
        (void)snprintf(path, sizeof path, "%s/function.so", e->d_name);
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
