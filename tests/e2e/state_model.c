/* state_model.c: see state_model.h. */

#include "state_model.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* ---- the file system ---- */

struct object;

struct entry {
    char name[FAULTS_NAME];
    struct object *object;
};

struct entries {
    struct entry *list;
    int count;
};

/* A change of a folder since it was synced. */
struct change {
    char name[FAULTS_NAME], to[FAULTS_NAME]; /* to: "" unless it was renamed */
    struct object *object;                   /* NULL: removed */
};

struct object {
    struct object *next;
    uint64_t inode; /* 0: another object has it now */
    bool is_dir, was_synced;
    struct entries now, synced;
    struct change *changes;
    int changes_count;
    unsigned char *bytes, *synced_bytes;
    size_t len, synced_len;
};

struct model {
    struct object *objects, *root;
};

struct model *
model_new(void)
{
    struct model *m = calloc(1, sizeof *m);

    assert_non_null(m);
    return m;
}

void
model_free(struct model *m)
{
    for (struct object *o = m->objects, *next; o != NULL; o = next) {
        next = o->next;
        free(o->now.list);
        free(o->synced.list);
        free(o->changes);
        free(o->bytes);
        free(o->synced_bytes);
        free(o);
    }
    free(m);
}

static struct object *
find(struct model *m, uint64_t inode)
{
    for (struct object *o = m->objects; o != NULL; o = o->next)
        if (o->inode == inode)
            return o;
    return NULL;
}

static struct object *
make(struct model *m, uint64_t inode, bool is_dir)
{
    struct object *o = find(m, inode);

    if (o != NULL)
        o->inode = 0;
    o = calloc(1, sizeof *o);
    assert_non_null(o);
    o->inode = inode;
    o->is_dir = is_dir;
    o->next = m->objects;
    m->objects = o;
    return o;
}

static void
put_entry(struct entries *e, const char *name, struct object *object)
{
    int i;

    for (i = 0; i < e->count; i++)
        if (strcmp(e->list[i].name, name) == 0)
            break;
    if (object == NULL) {
        if (i < e->count)
            e->list[i] = e->list[--e->count];
        return;
    }
    if (i == e->count) {
        e->list = realloc(e->list, (size_t)(e->count + 1) * sizeof *e->list);
        assert_non_null(e->list);
        e->count++;
        (void)snprintf(e->list[i].name, sizeof e->list[i].name, "%s", name);
    }
    e->list[i].object = object;
}

static void
apply_change(struct entries *e, const struct change *c)
{
    put_entry(e, c->name, c->to[0] != '\0' ? NULL : c->object);
    if (c->to[0] != '\0')
        put_entry(e, c->to, c->object);
}

static void
change(struct object *dir, const char *name, const char *to, struct object *object)
{
    struct change *c;

    dir->changes = realloc(dir->changes, (size_t)(dir->changes_count + 1) * sizeof *dir->changes);
    assert_non_null(dir->changes);
    c = &dir->changes[dir->changes_count++];
    (void)snprintf(c->name, sizeof c->name, "%s", name);
    (void)snprintf(c->to, sizeof c->to, "%s", to);
    c->object = object;
    apply_change(&dir->now, c);
}

static void
write_bytes(struct object *o, const struct faults_record *r)
{
    size_t end = (size_t)r->at + r->len;

    if (end > o->len) {
        o->bytes = realloc(o->bytes, end);
        assert_non_null(o->bytes);
        if ((size_t)r->at > o->len)
            memset(o->bytes + o->len, 0, (size_t)r->at - o->len);
        o->len = end;
    }
    memcpy(o->bytes + r->at, r->bytes, r->len);
}

static void
sync_object(struct object *o)
{
    o->was_synced = true;
    if (o->is_dir) {
        o->synced.list =
            realloc(o->synced.list, (size_t)(o->now.count + 1) * sizeof *o->synced.list);
        assert_non_null(o->synced.list);
        if (o->now.count > 0)
            memcpy(o->synced.list, o->now.list, (size_t)o->now.count * sizeof *o->now.list);
        o->synced.count = o->now.count;
        o->changes_count = 0;
        return;
    }
    o->synced_bytes = realloc(o->synced_bytes, o->len + 1);
    assert_non_null(o->synced_bytes);
    if (o->len > 0)
        memcpy(o->synced_bytes, o->bytes, o->len);
    o->synced_len = o->len;
}

void
model_apply(struct model *m, const struct faults_record *r)
{
    struct object *dir = r->dir != 0 ? find(m, r->dir) : NULL;
    struct object *file = r->file != 0 ? find(m, r->file) : NULL;

    if (r->op == FAULTS_ROOT) {
        if (m->root == NULL)
            m->root = make(m, r->file, true);
        return;
    }
    if (r->op == FAULTS_MARK || m->root == NULL)
        return;
    if (dir == NULL && r->op != FAULTS_WRITE && r->op != FAULTS_TRUNCATE && r->op != FAULTS_SYNC)
        return; /* of another folder than the state: /dev */
    switch (r->op) {
    case FAULTS_CREATE:
    case FAULTS_MKDIR:
        change(dir, r->name, "", make(m, r->file, r->op == FAULTS_MKDIR));
        break;
    case FAULTS_WRITE:
        if (file != NULL)
            write_bytes(file, r);
        break;
    case FAULTS_TRUNCATE:
        if (file != NULL && (size_t)r->at < file->len)
            file->len = (size_t)r->at;
        break;
    case FAULTS_SYNC:
        if (file != NULL)
            sync_object(file);
        break;
    case FAULTS_RENAME:
        assert_int_equal(r->dir, r->to); /* else one change of two folders would have to be one */
        change(dir, r->name, (const char *)r->bytes, file);
        break;
    case FAULTS_LINK:
        change(find(m, r->to), (const char *)r->bytes, "", file);
        break;
    case FAULTS_UNLINK:
        change(dir, r->name, "", NULL);
        if (file != NULL && file->is_dir)
            file->inode = 0;
        break;
    default:
        break;
    }
}

/* ---- what a power cut leaves ---- */

static uint64_t
draw(uint64_t *random, uint64_t below)
{
    *random ^= *random << 13; /* xorshift64, Marsaglia 2003 */
    *random ^= *random >> 7;
    *random ^= *random << 17;
    return below > 0 ? *random % below : 0;
}

static void
write_file(const struct object *o, enum model_cut cut, uint64_t *random, const char *path,
           uid_t owner)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    bool synced = cut != MODEL_ALL;
    size_t len = synced ? o->synced_len : o->len;
    const unsigned char *bytes = synced ? o->synced_bytes : o->bytes;

    if (cut == MODEL_RANDOM && draw(random, 2) == 0) {
        bytes = o->bytes; /* part of what was written since reached the disk */
        len = (size_t)draw(random, o->len + 1);
        if (o->was_synced && len < o->synced_len && o->len >= o->synced_len &&
            (o->synced_len == 0 || memcmp(o->bytes, o->synced_bytes, o->synced_len) == 0))
            len = o->synced_len;
    }
    assert_true(fd >= 0);
    if (len > 0)
        assert_int_equal(write(fd, bytes, len), len);
    (void)fchown(fd, owner, owner);
    (void)close(fd);
}

static void
write_dir(const struct object *o, enum model_cut cut, uint64_t *random, const char *path,
          uid_t owner)
{
    struct entries left = {0};
    int more = cut == MODEL_RANDOM ? (int)draw(random, (uint64_t)o->changes_count + 1) : 0;

    assert_int_equal(mkdir(path, 0755), 0);
    (void)!chown(path, owner, owner);
    if (cut == MODEL_ALL || cut == MODEL_NAMES) {
        for (int i = 0; i < o->now.count; i++)
            put_entry(&left, o->now.list[i].name, o->now.list[i].object);
    } else {
        for (int i = 0; i < o->synced.count; i++)
            put_entry(&left, o->synced.list[i].name, o->synced.list[i].object);
        for (int i = 0; i < more; i++)
            apply_change(&left, &o->changes[i]);
    }
    for (int i = 0; i < left.count; i++) {
        char below[600];

        (void)snprintf(below, sizeof below, "%s/%s", path, left.list[i].name);
        if (left.list[i].object->is_dir)
            write_dir(left.list[i].object, cut, random, below, owner);
        else
            write_file(left.list[i].object, cut, random, below, owner);
    }
    free(left.list);
}

void
model_write(const struct model *m, enum model_cut cut, uint64_t *random, const char *path,
            uid_t owner)
{
    assert_non_null(m->root);
    write_dir(m->root, cut, random, path, owner);
}

/* ---- what stands in a state folder ---- */

static uint64_t
hash_bytes(uint64_t hash, const void *bytes, size_t n)
{
    const unsigned char *at = bytes; /* FNV-1a */

    for (size_t i = 0; i < n; i++)
        hash = (hash ^ at[i]) * UINT64_C(1099511628211);
    return hash;
}

#define HASH UINT64_C(14695981039346656037)

static uint64_t
hash_file(const char *path)
{
    FILE *file = fopen(path, "re");
    char bytes[65536];
    uint64_t hash = HASH;
    size_t n;

    while (file != NULL && (n = fread(bytes, 1, sizeof bytes, file)) > 0)
        hash = hash_bytes(hash, bytes, n);
    if (file != NULL)
        (void)fclose(file);
    return hash;
}

/* The sum over all names, so that their order does not matter. */
static uint64_t
hash_tree(const char *path, const char *prefix, const char *without)
{
    DIR *dir = opendir(path);
    uint64_t sum = 1;

    for (struct dirent *e; dir != NULL && (e = readdir(dir)) != NULL;) {
        char below[700], name[300];
        struct stat st;

        if (e->d_name[0] == '.' || strcmp(e->d_name, without) == 0)
            continue;
        (void)snprintf(below, sizeof below, "%s/%s", path, e->d_name);
        (void)snprintf(name, sizeof name, "%s/%s", prefix, e->d_name);
        assert_int_equal(lstat(below, &st), 0);
        sum += S_ISDIR(st.st_mode) ? hash_tree(below, name, "")
                                   : hash_bytes(hash_file(below), name, strlen(name));
    }
    if (dir != NULL)
        (void)closedir(dir);
    return sum;
}

static bool
is_left_over(const char *name)
{
    return (name[0] == '.' && strcmp(name, ".") != 0 && strcmp(name, "..") != 0) ||
           strncmp(name, "tmp-", 4) == 0;
}

static void
look_at_function(const char *path, struct state_function *f, char left[128])
{
    char live[700];
    FILE *file;
    DIR *dir = opendir(path);

    (void)snprintf(live, sizeof live, "%.600s/live", path);
    file = fopen(live, "re");
    if (file != NULL) {
        if (fscanf(file, "%u", &f->live) != 1)
            f->live = 0;
        (void)fclose(file);
    }
    (void)snprintf(live, sizeof live, "%.600s/%u/function.json", path, f->live);
    f->settings = hash_file(live);
    for (struct dirent *e; dir != NULL && (e = readdir(dir)) != NULL;) {
        char version[700];
        unsigned number = (unsigned)strtoul(e->d_name, NULL, 10);

        if (is_left_over(e->d_name))
            (void)snprintf(left, 128, "%s/%.60s", f->name, e->d_name);
        if (number == 0)
            continue;
        (void)snprintf(version, sizeof version, "%.400s/%.200s", path, e->d_name);
        assert_true(f->count < STATE_VERSIONS);
        f->versions[f->count++] =
            (struct state_version){number, hash_tree(version, "", "function.json")};
        (void)snprintf(version, sizeof version, "%.400s/%.200s/.function.json.tmp", path,
                       e->d_name);
        if (access(version, F_OK) == 0)
            (void)snprintf(left, 128, "%s/%.40s/.function.json.tmp", f->name, e->d_name);
    }
    if (dir != NULL)
        (void)closedir(dir);
}

void
state_look(const char *path, struct state_view *view)
{
    char functions[600];
    DIR *dir;

    memset(view, 0, sizeof *view);
    (void)snprintf(functions, sizeof functions, "%s/functions", path);
    dir = opendir(functions);
    for (struct dirent *e; dir != NULL && (e = readdir(dir)) != NULL;) {
        char below[700];

        if (e->d_name[0] == '.') {
            if (is_left_over(e->d_name))
                (void)snprintf(view->left, sizeof view->left, "%.100s", e->d_name);
            continue;
        }
        assert_true(view->count < STATE_NAMES);
        (void)snprintf(view->functions[view->count].name, 64, "%.63s", e->d_name);
        (void)snprintf(below, sizeof below, "%.400s/%.200s", functions, e->d_name);
        look_at_function(below, &view->functions[view->count++], view->left);
    }
    if (dir != NULL)
        (void)closedir(dir);
}

static const struct state_function *
find_function(const struct state_view *view, const char *name)
{
    for (int i = 0; i < view->count; i++)
        if (strcmp(view->functions[i].name, name) == 0)
            return &view->functions[i];
    return NULL;
}

static const struct state_version *
find_version(const struct state_function *f, unsigned number)
{
    for (int i = 0; f != NULL && i < f->count; i++)
        if (f->versions[i].number == number)
            return &f->versions[i];
    return NULL;
}

/* The live version with its settings and its files. */
static bool
is_same(const struct state_function *a, const struct state_function *b)
{
    const struct state_version *va, *vb;

    if (a == NULL || b == NULL)
        return a == b;
    va = find_version(a, a->live);
    vb = find_version(b, b->live);
    return a->live == b->live && a->settings == b->settings && va != NULL && vb != NULL &&
           va->hash == vb->hash;
}

static const char *
compare_one(const char *name, const struct state_view *now, const struct state_view *before,
            const struct state_view *after)
{
    static char text[300];
    const struct state_function *is = find_function(now, name), *old = find_function(before, name),
                                *new = find_function(after, name);

    text[0] = '\0';
    if (!is_same(is, old) && !is_same(is, new)) {
        (void)snprintf(text, sizeof text,
                       "%s is neither the old nor the new one: live %d, where %d or %d was right%s",
                       name, is != NULL ? (int)is->live : -1, old != NULL ? (int)old->live : -1,
                       new != NULL ? (int)new->live : -1,
                       is != NULL && find_version(is, is->live) == NULL ? "; it has no files" : "");
        return text;
    }
    for (int i = 0; is != NULL && i < is->count; i++) {
        const struct state_version *v = &is->versions[i], *a = find_version(old, v->number),
                                   *b = find_version(new, v->number);

        if ((a == NULL || a->hash != v->hash) && (b == NULL || b->hash != v->hash))
            (void)snprintf(text, sizeof text, "version %u of %s is half written", v->number, name);
    }
    for (int i = 0; is != NULL && old != NULL && i < old->count; i++)
        if (find_version(new, old->versions[i].number) != NULL &&
            find_version(is, old->versions[i].number) == NULL)
            (void)snprintf(text, sizeof text, "version %u of %s is lost", old->versions[i].number,
                           name);
    return text;
}

const char *
state_compare(const struct state_view *now, const struct state_view *before,
              const struct state_view *after)
{
    static char text[200];
    const struct state_view *all[] = {now, before, after};

    if (now->left[0] != '\0') {
        (void)snprintf(text, sizeof text, "left behind: %s", now->left);
        return text;
    }
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < all[i]->count; k++) {
            const char *bad = compare_one(all[i]->functions[k].name, now, before, after);

            if (bad[0] != '\0')
                return bad;
        }
    return "";
}
