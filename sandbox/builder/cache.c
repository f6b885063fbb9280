/* cache.c: object files that were compiled before, in one file for each function.
 *
 * An entry holds the hash of its command (options, versions of compiler and assembler, names of
 * all files of the bundle), the files that it was made of as compiler and assembler named them
 * (those of the bundle by the hash of their bytes, those of the host by size and time), what the
 * compiler said, and the object. It is used where the command is the same and no file differs.
 * A name that is new in the bundle could stand before another in the search for headers: that is
 * why the names belong to the command.
 *
 * The file comes from an earlier build of the same function, and is trusted as little as that:
 * offsets are checked, and a wrong object harms its own function alone. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "builder/builder.h"
#include "cleanup.h"

#define MAGIC      "hearth-cache 1\n"
#define FILE_MOST  (256 << 20) /* of one that is hashed */
#define LIST_MOST  (1 << 20)   /* of names, from the compiler */
#define HASHED_MAX 16384       /* a power of two */

struct entry_head {
    uint64_t key[2];
    uint64_t check; /* hash of all that follows: a power cut may have left anything */
    uint32_t deps, said, object, zero; /* bytes of what follows, in this order, without padding */
};

/* In `deps`: this, then the path, then zeros to a multiple of 8. */
struct dep_head {
    uint64_t mark[2]; /* a hash; or size and time */
    uint32_t path_len, of_host;
};

static const unsigned char *old;
static size_t old_len;
static uint64_t base[2]; /* hash of what is the same for all commands of this build */

/* ---- files and their marks ---- */

static struct hashed {
    char *path; /* NULL: free */
    uint64_t mark[2];
    bool there, varies;
} hashed[HASHED_MAX];
static unsigned hashed_count;

/* It holds a macro whose value is another at each time. */
static bool
names_time(const char *bytes, size_t len)
{
    return memmem(bytes, len, "__TIME__", 8) != NULL || memmem(bytes, len, "__DATE__", 8) != NULL ||
           memmem(bytes, len, "__TIMESTAMP__", 13) != NULL;
}

static void
hash_file(struct hashed *h)
{
    size_t len;
    cleanup_free char *bytes = bld_read(h->path, FILE_MOST, &len);
    XXH128_hash_t hash;

    if (bytes == NULL)
        return;
    hash = XXH3_128bits(bytes, len);
    h->mark[0] = hash.low64;
    h->mark[1] = hash.high64;
    h->there = true;
    h->varies = names_time(bytes, len);
}

/* The mark of a file of the bundle; NULL where there is no room to remember it. */
static const struct hashed *
mark_of_bundle(const char *path)
{
    uint64_t at = XXH3_64bits(path, strlen(path));

    for (;; at++) {
        struct hashed *h = &hashed[at % HASHED_MAX];

        if (h->path == NULL) {
            if (hashed_count == HASHED_MAX - 1 || (h->path = strdup(path)) == NULL)
                return NULL;
            hashed_count++;
            hash_file(h);
            return h;
        }
        if (strcmp(h->path, path) == 0)
            return h;
    }
}

static bool
mark_of_host(const char *path, uint64_t mark[2])
{
    struct stat st;

    if (stat(path, &st) != 0 || !S_ISREG(st.st_mode))
        return false;
    mark[0] = (uint64_t)st.st_size;
    mark[1] = (uint64_t)st.st_mtim.tv_sec * 1000000000u + (uint64_t)st.st_mtim.tv_nsec;
    return true;
}

static bool
is_same(const struct dep_head *dep, const char *path)
{
    uint64_t now[2];
    const struct hashed *h;

    if (dep->of_host) {
        if (!mark_of_host(path, now))
            return false;
        return now[0] == dep->mark[0] && now[1] == dep->mark[1];
    }
    h = mark_of_bundle(path);
    return h != NULL && h->there && !h->varies && h->mark[0] == dep->mark[0] &&
           h->mark[1] == dep->mark[1];
}

/* ---- keys ---- */

/* The names of all files, whatever their order. */
static uint64_t
hash_names(const char *folder, int depth)
{
    cleanup_dir DIR *dir = depth <= BUILD_PATH_DEPTH ? opendir(folder) : NULL;
    uint64_t sum = 0;
    struct dirent *e;

    while (dir != NULL && (e = readdir(dir)) != NULL) {
        char path[PATH_MAX];

        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
            snprintf(path, sizeof path, "%s/%s", folder, e->d_name) >= (int)sizeof path)
            continue;
        sum += XXH3_64bits(path, strlen(path));
        if (e->d_type == DT_DIR)
            sum += hash_names(path, depth + 1);
    }
    return sum;
}

/* What an update of the host's packages changes. */
static void
hash_toolchain(XXH3_state_t *state)
{
    static const char *const paths[] = {GCC, GXX, "/usr/bin/as", "/usr/include"};
    struct stat st;

    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        uint64_t mark[2] = {0, 0};

        if (stat(paths[i], &st) == 0) {
            mark[0] = S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;
            mark[1] = (uint64_t)st.st_mtim.tv_sec * 1000000000u + (uint64_t)st.st_mtim.tv_nsec;
        }
        (void)XXH3_128bits_update(state, mark, sizeof mark);
    }
}

void
bld_cache_open(int fd)
{
    XXH3_state_t *state = XXH3_createState();
    uint64_t names = hash_names(".", 0);
    XXH128_hash_t hash;
    struct stat st;

    if (state == NULL || XXH3_128bits_reset(state) != XXH_OK)
        return;
    (void)XXH3_128bits_update(state, MAGIC, sizeof MAGIC);
    (void)XXH3_128bits_update(state, &names, sizeof names);
    hash_toolchain(state);
    hash = XXH3_128bits_digest(state);
    XXH3_freeState(state);
    base[0] = hash.low64;
    base[1] = hash.high64;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > (off_t)sizeof MAGIC) {
        void *map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);

        if (map != MAP_FAILED && memcmp(map, MAGIC, sizeof MAGIC) == 0) {
            old = map;
            old_len = (size_t)st.st_size;
        }
    }
}

void
bld_cache_key(struct bld_job *job)
{
    XXH3_state_t *state = XXH3_createState();
    XXH128_hash_t hash;

    if (state == NULL || XXH3_128bits_reset(state) != XXH_OK)
        return;
    (void)XXH3_128bits_update(state, base, sizeof base);
    for (size_t i = 0; i < job->args.n; i++)
        (void)XXH3_128bits_update(state, job->args.v[i], strlen(job->args.v[i]) + 1);
    hash = XXH3_128bits_digest(state);
    XXH3_freeState(state);
    job->key[0] = hash.low64;
    job->key[1] = hash.high64;
}

/* ---- entries ---- */

static uint64_t
hash_body(const struct entry_head *head, const void *deps, const void *said, const void *object)
{
    uint64_t hash = XXH3_64bits(deps, head->deps);

    hash = XXH3_64bits_withSeed(said, head->said, hash);
    return XXH3_64bits_withSeed(object, head->object, hash);
}

static size_t
padded(size_t n)
{
    return (n + 7) / 8 * 8;
}

/* The entry at *at, which goes on to the next; false at the end, or where the rest is damaged. */
static bool
next_entry(size_t *at, struct entry_head *head, const unsigned char **body)
{
    uint64_t bytes;

    if (old == NULL || *at + sizeof *head > old_len)
        return false;
    memcpy(head, old + *at, sizeof *head);
    *body = old + *at + sizeof *head;
    bytes = (uint64_t)head->deps + head->said + head->object;
    if (bytes > old_len - *at - sizeof *head)
        return false;
    *at += padded(sizeof *head + (size_t)bytes);
    return true;
}

static size_t
first_entry(void)
{
    return padded(sizeof MAGIC);
}

static bool
all_same(const unsigned char *deps, size_t n)
{
    while (n > 0) {
        struct dep_head dep;
        char path[PATH_MAX];

        if (n < sizeof dep)
            return false;
        memcpy(&dep, deps, sizeof dep);
        if (dep.path_len >= sizeof path || padded(sizeof dep + dep.path_len) > n)
            return false;
        memcpy(path, deps + sizeof dep, dep.path_len);
        path[dep.path_len] = '\0';
        if (!is_same(&dep, path))
            return false;
        deps += padded(sizeof dep + dep.path_len);
        n -= padded(sizeof dep + dep.path_len);
    }
    return true;
}

static bool
put_all(int fd, const void *bytes, size_t n)
{
    const char *at = bytes;

    while (n > 0) {
        ssize_t put = write(fd, at, n);

        if (put <= 0)
            return false;
        at += put;
        n -= (size_t)put;
    }
    return true;
}

static bool
take_entry(struct bld_job *job, const struct entry_head *head, const unsigned char *body)
{
    cleanup_close int fd =
        open(job->object, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);

    if (fd < 0 || !put_all(fd, body + head->deps + head->said, head->object))
        return false;
    job->deps = bld_alloc((size_t)head->deps + 1);
    memcpy(job->deps, body, head->deps);
    job->deps_len = head->deps;
    job->said = bld_alloc((size_t)head->said + 1);
    memcpy(job->said, body + head->deps, head->said);
    job->said_len = head->said;
    job->cached = true;
    return true;
}

bool
bld_cache_find(struct bld_job *job)
{
    size_t at = first_entry();
    struct entry_head head;
    const unsigned char *body;

    while (next_entry(&at, &head, &body))
        if (head.key[0] == job->key[0] && head.key[1] == job->key[1] && head.object > 0 &&
            head.deps > 0 && all_same(body, head.deps) &&
            head.check == hash_body(&head, body, body + head.deps, body + head.deps + head.said))
            return take_entry(job, &head, body);
    return false;
}

/* ---- noting what an object was made of ---- */

struct bytes {
    char *at;
    size_t len, room;
};

static void
append(struct bytes *b, const void *bytes, size_t n)
{
    if (b->len + n > b->room) {
        size_t room = 2 * b->room + n + 4096;
        char *wider = bld_alloc(room);

        if (b->len > 0)
            memcpy(wider, b->at, b->len);
        free(b->at);
        b->at = wider;
        b->room = room;
    }
    memcpy(b->at + b->len, bytes, n);
    b->len += n;
}

/* False where the object may not be kept. */
static bool
note_path(struct bytes *deps, const char *path)
{
    struct dep_head dep = {.path_len = (uint32_t)strlen(path), .of_host = path[0] == '/'};
    static const char zeros[8] = {0};

    if (strncmp(path, "/src/", 5) == 0 || strncmp(path, "/tmp/", 5) == 0)
        return false;
    if (dep.of_host) {
        if (!mark_of_host(path, dep.mark))
            return false;
    } else {
        const struct hashed *h = mark_of_bundle(path);

        if (h == NULL || !h->there || h->varies)
            return false;
        memcpy(dep.mark, h->mark, sizeof dep.mark);
    }
    append(deps, &dep, sizeof dep);
    append(deps, path, dep.path_len);
    append(deps, zeros, padded(sizeof dep + dep.path_len) - sizeof dep - dep.path_len);
    return true;
}

/* The next name of a rule of make, unescaped; NULL at its end. *at goes on. */
static char *
next_name(char **at)
{
    char *from = *at, *to, *name;

    while (*from == ' ' || *from == '\n' || (from[0] == '\\' && from[1] == '\n'))
        from += from[0] == '\\' ? 2 : 1;
    if (*from == '\0')
        return NULL;
    for (name = to = from; *from != '\0' && *from != ' ' && *from != '\n'; from++) {
        if (from[0] == '\\' && from[1] == '\n')
            break;
        if ((from[0] == '\\' && (from[1] == ' ' || from[1] == '#' || from[1] == '\\')) ||
            (from[0] == '$' && from[1] == '$'))
            from++;
        *to++ = *from;
    }
    *at = *from != '\0' ? from + 1 : from;
    *to = '\0';
    return name;
}

/* The assembler also names what the compiler says that it compiled, by its last part: a file
 * that need not be there. */
static bool
is_own_name(const struct bld_job *job, const char *name)
{
    const char *slash = strrchr(job->source->path, '/');

    return strcmp(name, slash != NULL ? slash + 1 : job->source->path) == 0 &&
           access(name, F_OK) != 0;
}

/* "target: name name \", or no file: then nothing was named. */
static bool
note_list(const struct bld_job *job, struct bytes *deps, const char *list)
{
    size_t len;
    cleanup_free char *text = bld_read(list, LIST_MOST, &len);
    char *at = text != NULL ? strstr(text, ": ") : NULL, *name;

    if (at == NULL)
        return text == NULL || len == 0 || strchr(text, ':') != NULL;
    at += 2;
    while ((name = next_name(&at)) != NULL)
        if (strcmp(name, "{standard") != 0 && strcmp(name, "input}") != 0 &&
            !is_own_name(job, name) && !note_path(deps, name))
            return false;
    return true;
}

void
bld_cache_note(struct bld_job *job, const char *compiler_list, const char *assembler_list)
{
    struct bytes deps = {0};

    if (note_list(job, &deps, compiler_list) && note_list(job, &deps, assembler_list) &&
        deps.len > 0 && deps.len <= UINT32_MAX / 2) {
        job->deps = deps.at;
        job->deps_len = deps.len;
    } else {
        free(deps.at);
    }
}

/* ---- writing ---- */

static bool
write_entry(int fd, const struct entry_head *head, const void *deps, const void *said,
            const void *object, uint64_t *total)
{
    static const char zeros[8] = {0};
    size_t bytes = sizeof *head + head->deps + head->said + head->object;

    *total += padded(bytes);
    return put_all(fd, head, sizeof *head) && put_all(fd, deps, head->deps) &&
           put_all(fd, said, head->said) && put_all(fd, object, head->object) &&
           put_all(fd, zeros, padded(bytes) - bytes);
}

static bool
write_job(int fd, const struct bld_job *job, uint64_t *total)
{
    size_t len = 0;
    cleanup_free char *object = bld_read(job->object, LIMIT_OBJECT, &len);
    struct entry_head head = {.key = {job->key[0], job->key[1]},
                              .deps = (uint32_t)job->deps_len,
                              .said = (uint32_t)job->said_len,
                              .object = (uint32_t)len};

    if (object == NULL || *total + len + job->deps_len + job->said_len > LIMIT_BUILD_CACHE)
        return true; /* not kept */
    head.check = hash_body(&head, job->deps, job->said != NULL ? job->said : "", object);
    return write_entry(fd, &head, job->deps, job->said, object, total);
}

static bool
is_of(const struct entry_head *head, const unsigned char *body, const struct bld_job *jobs,
      unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        if (jobs[i].deps != NULL && jobs[i].key[0] == head->key[0] &&
            jobs[i].key[1] == head->key[1] && jobs[i].deps_len == head->deps &&
            memcmp(jobs[i].deps, body, head->deps) == 0)
            return true;
    return false;
}

void
bld_cache_write(int fd, const struct bld_job *jobs, unsigned count)
{
    static const char magic[(sizeof MAGIC + 7) / 8 * 8] = MAGIC;
    uint64_t total = sizeof magic;
    size_t at = first_entry();
    struct entry_head head;
    const unsigned char *body;
    bool well = put_all(fd, magic, sizeof magic);

    for (unsigned i = 0; i < count && well; i++)
        if (jobs[i].ended && !jobs[i].failed && jobs[i].deps != NULL)
            well = write_job(fd, &jobs[i], &total);
    while (well && next_entry(&at, &head, &body)) {
        uint64_t bytes = (uint64_t)head.deps + head.said + head.object;

        if (total + bytes <= LIMIT_BUILD_CACHE && !is_of(&head, body, jobs, count))
            well = write_entry(fd, &head, body, body + head.deps, body + head.deps + head.said,
                               &total);
    }
    if (!well)
        (void)!ftruncate(fd, 0);
}
