/* fuzz_bundle.c: a bundle (gateway/admin/bundle.c) that is unpacked to the disk as a deploy
 * does it (gateway/functions/store.c). What is written is what was taken, within the bounds,
 * and nothing is written beside the folder of its sources. */
#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "build_rules.h"
#include "cleanup.h"
#include "deploy.h"
#include "limits.h"
#include "store.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUNCTION   "fuzzed"
#define PATH_BYTES BUILD_PATH_BYTES

static char root[] = "/dev/shm/hearth-fuzz-XXXXXX";
static int root_fd;

/* The files that the bundle had, the last of one name. */
static struct member {
    char path[PATH_BYTES + 1];
    size_t len;
    uint64_t sum; /* of its bytes */
} members[LIMIT_BUNDLE_FILES];
static unsigned members_count;
static struct {
    unsigned files;
    size_t bytes;
    uint64_t sum; /* of all paths and bytes, in order */
} taken;

#define SUM_OF_NOTHING UINT64_C(0xcbf29ce484222325) /* FNV-1a */

static uint64_t
add_to_sum(uint64_t sum, const void *bytes, size_t len)
{
    const unsigned char *at = bytes;

    for (size_t i = 0; i < len; i++)
        sum = (sum ^ at[i]) * UINT64_C(0x100000001b3);
    return sum;
}

/* ---- what is taken ---- */

static void
check_path(const char *path)
{
    assert(path[0] != '\0' && path[0] != '/' && strlen(path) <= PATH_BYTES);
    for (const char *at = path; *at != '\0'; at++) {
        assert((unsigned char)*at >= ' ' && *at != 0x7f && *at != '\\');
        assert(at != path && at[-1] != '/' ? true : *at != '.' && *at != '/'); /* begins a part */
    }
    assert(path[strlen(path) - 1] != '/');
}

static int
count_file(const char *path, const void *bytes, size_t len)
{
    check_path(path);
    taken.files++;
    taken.bytes += len;
    taken.sum = add_to_sum(taken.sum, path, strlen(path) + 1);
    taken.sum = add_to_sum(taken.sum, bytes, len);
    assert(taken.files <= LIMIT_BUNDLE_FILES && taken.bytes <= LIMIT_BUNDLE_BYTES);
    return 0;
}

static struct member *
member_of(const char *path)
{
    for (unsigned i = 0; i < members_count; i++)
        if (strcmp(members[i].path, path) == 0)
            return &members[i];
    return NULL;
}

static int
on_file(void *user, const char *path, const void *bytes, size_t len, struct hearth_err *err)
{
    struct member *member = member_of(path);
    int status;

    (void)user;
    count_file(path, bytes, len);
    status = store_stage_source(FUNCTION, 1, path, bytes, len, err);
    if (status < 0)
        return status;
    if (member == NULL)
        member = &members[members_count++];
    (void)snprintf(member->path, sizeof member->path, "%s", path);
    member->len = len;
    member->sum = add_to_sum(SUM_OF_NOTHING, bytes, len);
    return 0;
}

/* Reads the bundle; the names that are not taken are counted alone. */
static int
read_bundle(const uint8_t *data, size_t size,
            int (*take)(void *, const char *, const void *, size_t, struct hearth_err *),
            struct hearth_err *err)
{
    struct gw_bundle bundle = {.on_file = take, .ignored = json_array(), .refused = json_array()};
    int status = gw_bundle_read(data, size, &bundle, err);

    assert(status < 0 || json_array_size(bundle.refused) == 0);
    json_decref(bundle.ignored);
    json_decref(bundle.refused);
    return status;
}

static int
on_file_again(void *user, const char *path, const void *bytes, size_t len, struct hearth_err *err)
{
    (void)user;
    (void)err;
    return count_file(path, bytes, len);
}

/* ---- what is on the disk ---- */

static bool
is_dot(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* The folder has these entries and no others. */
static void
check_folder(const char *path, const char *const *names, unsigned n)
{
    cleanup_dir DIR *dir = fdopendir(openat(root_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    struct dirent *e;
    unsigned found = 0;

    assert(dir != NULL);
    while ((e = readdir(dir)) != NULL) {
        bool known = is_dot(e->d_name);

        for (unsigned i = 0; i < n && !known; i++)
            if (strcmp(names[i], e->d_name) == 0) {
                known = true;
                found++;
            }
        assert(known);
    }
    assert(found == n);
}

static void
check_surroundings(void)
{
    char text[16] = "";
    cleanup_close int fd = openat(root_fd, "kept", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

    assert(fd >= 0 && read(fd, text, sizeof text) == 4 && strcmp(text, "kept") == 0);
    check_folder(".", (const char *[]){"cache", "format", "functions", "kept"}, 4);
    check_folder("functions", (const char *[]){FUNCTION, "other"}, 2);
    check_folder("functions/other", NULL, 0);
    check_folder("functions/" FUNCTION, (const char *[]){"tmp-1"}, 1);
    check_folder("functions/" FUNCTION "/tmp-1", (const char *[]){"source"}, 1);
}

static void
check_file(int dir, const char *name, const char *path)
{
    cleanup_close int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    const struct member *member = member_of(path);
    uint64_t sum = SUM_OF_NOTHING;
    char bytes[4096];
    size_t len = 0;
    ssize_t got;

    assert(fd >= 0 && member != NULL);
    while ((got = read(fd, bytes, sizeof bytes)) > 0) {
        sum = add_to_sum(sum, bytes, (size_t)got);
        len += (size_t)got;
    }
    assert(got == 0 && len == member->len && sum == member->sum);
}

/* Folders and plain files, with no right that they should not have. Returns how many files. */
static unsigned
check_tree(int at, const char *name, const char *path, unsigned depth)
{
    int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    cleanup_dir DIR *dir = fdopendir(fd);
    struct dirent *e;
    unsigned files = 0;

    assert(dir != NULL);
    while ((e = readdir(dir)) != NULL) {
        char inner[PATH_BYTES + 2];
        struct stat st;

        if (is_dot(e->d_name))
            continue;
        assert(snprintf(inner, sizeof inner, "%s%s%s", path, *path != '\0' ? "/" : "", e->d_name) <=
               PATH_BYTES);
        assert(fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0);
        assert(S_ISDIR(st.st_mode) || S_ISREG(st.st_mode));
        if (S_ISDIR(st.st_mode)) {
            assert((st.st_mode & 07777 & ~0755U) == 0);
            files += check_tree(fd, e->d_name, inner, depth + 1);
        } else {
            assert((st.st_mode & 07777) == 0644 && st.st_nlink == 1);
            check_file(fd, e->d_name, inner);
            files++;
        }
    }
    return files;
}

/* ---- one input ---- */

static void
remove_world(void)
{
    store_unstage(FUNCTION, 1);
    (void)unlinkat(root_fd, "kept", 0);
    (void)unlinkat(root_fd, "functions/other", AT_REMOVEDIR);
    (void)unlinkat(root_fd, "functions", AT_REMOVEDIR);
    (void)unlinkat(root_fd, "cache", AT_REMOVEDIR);
    (void)rmdir(root);
}

static void
once(void)
{
    struct hearth_err err = {0};
    unsigned cleaned;
    int fd;

    if (root_fd > 0)
        return;
    if (mkdtemp(root) == NULL || (root_fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0 ||
        store_open(root, &cleaned, &err) < 0 ||
        (fd = openat(root_fd, "kept", O_WRONLY | O_CREAT | O_CLOEXEC, 0600)) < 0)
        abort();
    (void)atexit(remove_world);
    if (write(fd, "kept", 4) != 4 || close(fd) != 0 ||
        mkdirat(root_fd, "functions/other", 0700) != 0)
        abort();
}

/* Read again, it is the same. */
static void
check_again(const uint8_t *data, size_t size)
{
    struct hearth_err err = {0};
    unsigned files = taken.files;
    size_t bytes = taken.bytes;
    uint64_t sum = taken.sum;

    memset(&taken, 0, sizeof taken);
    assert(read_bundle(data, size, on_file_again, &err) == 0);
    assert(taken.files == files && taken.bytes == bytes && taken.sum == sum);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hearth_err err = {0};
    int status;

    once();
    members_count = 0;
    memset(&taken, 0, sizeof taken);
    if (store_stage(FUNCTION, 1, &err) < 0)
        abort();
    status = read_bundle(data, size, on_file, &err);
    check_surroundings();
    if (status == 0) {
        assert(taken.files > 0);
        assert(check_tree(root_fd, "functions/" FUNCTION "/tmp-1/source", "", 0) == members_count);
        check_again(data, size);
    } else { /* the client's doing: a name is a file and a folder, or the bundle is none */
        assert(status == -EINVAL || status == -ENOTDIR || status == -EISDIR);
        assert(err.code == status && err.text[0] != '\0');
    }
    store_unstage(FUNCTION, 1);
    return 0;
}

/* ---- mutation ---- */

#ifndef CORPUS /* with libFuzzer */
#define BLOCK 512

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t most);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed);

/* Each header of a tar has a checksum, which chance does not find. */
static void
mend_checksums(uint8_t *data, size_t size)
{
    for (uint8_t *block = data; size >= BLOCK; block += BLOCK, size -= BLOCK) {
        unsigned sum = 0;

        if (memcmp(block + 257, "ustar", 5) != 0)
            continue;
        memset(block + 148, ' ', 8);
        for (size_t i = 0; i < BLOCK; i++)
            sum += block[i];
        (void)snprintf((char *)block + 148, 7, "%06o", sum);
    }
}

/* Mostly within a block: the others stay where they are. */
size_t
LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed)
{
    size_t blocks = size / BLOCK;
    uint8_t *block = data + (blocks > 0 ? seed / 8 % blocks * BLOCK : 0);

    if (seed % 8 == 0 || blocks == 0) {
        size = LLVMFuzzerMutate(data, size, most);
    } else if (seed % 8 == 1 && size + BLOCK <= most) { /* twice */
        memmove(block + BLOCK, block, size - (size_t)(block - data));
        size += BLOCK;
    } else if (seed % 8 == 2 && blocks > 1) { /* not at all */
        memmove(block, block + BLOCK, size - (size_t)(block + BLOCK - data));
        size -= BLOCK;
    } else {
        size_t n = LLVMFuzzerMutate(block, BLOCK, BLOCK);

        memset(block + n, 0, BLOCK - n);
    }
    if (seed % 16 != 15)
        mend_checksums(data, size);
    return size;
}
#endif
