/* bundle.c: reads a bundle with libarchive. The archive comes from outside: only
 * plain files with clean relative paths are taken, and their number and their
 * unpacked size are bounded while they are read.
 *
 * It is read twice. First the names alone: whether one folder is around everything, and all
 * that is wrong with them. Then the files, which nothing is known against any more.
 */
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "build_rules.h"
#include "cleanup.h"
#include "deploy.h"
#include "text.h"

/* What the archive may be besides the files in it: names, folders, padding. */
#define FOLDERS_MAX 2048
#define ENTRIES_MAX (4 * LIMIT_BUNDLE_FILES)
#define PADDING_MAX (16 << 20)
#define FILTERS_MAX 2  /* gzip, and libarchive's own for the plain bytes */
#define REFUSED_MAX 50 /* that are named */

struct reader {
    const void *bytes;
    size_t len;
    struct gw_bundle *bundle;
    char **names; /* of all files that are taken, sorted after the first reading */
    unsigned count;
    size_t most;
    size_t strip; /* bytes of the folder around everything, with its '/' */
    size_t total;
    size_t passed; /* bytes of entries in this reading that were not taken */
    unsigned folders;
    unsigned entries;
};

/* What becomes of an entry. */
enum fate { TAKEN, SKIPPED, REFUSED };

static void
free_archive(struct archive **a)
{
    if (*a != NULL)
        (void)archive_read_free(*a);
}

/* ---- one name ---- */

static const char *
clean_path(const char *path)
{
    while (path != NULL && path[0] == '.' && path[1] == '/')
        path += 2 + strspn(path + 2, "/");
    return path;
}

/* Files that begin with a dot are of a repository or a desktop, and no part of a function. A
 * path with "." or ".." in it is none of those: it is refused. */
static bool
is_hidden(const char *path)
{
    bool hidden = strncmp(path, "__MACOSX/", 9) == 0;

    for (const char *part = path; part != NULL;) {
        size_t n = strcspn(part, "/");

        if ((n == 1 || n == 2) && strncmp(part, "..", n) == 0)
            return false;
        hidden = hidden || part[0] == '.';
        part = part[n] == '/' ? part + n + 1 : NULL;
    }
    return hidden;
}

/* A link that stays inside: only where it leads is looked at, by its text. */
static bool
link_stays(const char *path, const char *target)
{
    int depth = 0;

    if (target == NULL || target[0] == '/')
        return false;
    for (const char *at = strchr(path, '/'); at != NULL; at = strchr(at + 1, '/'))
        depth++;
    for (const char *part = target; part != NULL && depth >= 0;) {
        size_t n = strcspn(part, "/");

        if (n == 2 && strncmp(part, "..", 2) == 0)
            depth--;
        else if (n > 0 && !(n == 1 && part[0] == '.'))
            depth++;
        part = part[n] == '/' ? part + n + 1 : NULL;
    }
    return depth >= 0;
}

static void
note(json_t *list, const char *path, const char *why)
{
    cleanup_free char *shown = strdup(path);

    if (shown == NULL)
        return;
    text_printable(shown, false);
    if (why == NULL)
        (void)json_array_append_new(list, json_string(shown));
    else
        (void)json_array_append_new(list, json_pack("{s:s,s:s}", "file", shown, "reason", why));
}

static enum fate
refuse(struct reader *r, const char *path, const char *why)
{
    if (json_array_size(r->bundle->refused) < REFUSED_MAX)
        note(r->bundle->refused, path, why);
    return REFUSED;
}

static enum fate
fate_of(struct reader *r, struct archive_entry *entry, const char *path)
{
    unsigned type = archive_entry_filetype(entry);
    const char *why;

    if (path == NULL)
        return refuse(r, "?", "the name cannot be read");
    if (type == AE_IFDIR)
        return archive_entry_size(entry) == 0 ? SKIPPED : refuse(r, path, "a folder has a size");
    if (is_hidden(path))
        return SKIPPED;
    why = build_path_refusal(r->bundle->prefix != NULL && starts_with(path, r->bundle->prefix)
                                 ? path + strlen(r->bundle->prefix)
                                 : path);
    if (why != NULL)
        return refuse(r, path, why);
    if (type == AE_IFLNK) {
        if (!link_stays(path, archive_entry_symlink(entry)))
            return refuse(r, path, "the link leads out of the bundle");
        note(r->bundle->ignored, path, NULL);
        return SKIPPED;
    }
    if (type == AE_IFREG && archive_entry_size(entry) > (la_int64_t)r->most) /* sparse, say */
        return refuse(r, path, "it is larger than a bundle may be");
    if (type != AE_IFREG || archive_entry_hardlink(entry) != NULL)
        return refuse(r, path, "neither a file nor a folder: a hard link, or a device");
    return TAKEN;
}

/* ---- the first reading: names ---- */

static int
first_take(struct reader *r, struct archive *a, struct archive_entry *entry, const char *path,
           struct hearth_err *err)
{
    (void)a;
    (void)entry;
    if (r->count == LIMIT_BUNDLE_FILES + r->bundle->more)
        return err_set(err, 0, "the bundle has more than %u files",
                       LIMIT_BUNDLE_FILES + r->bundle->more);
    r->names[r->count] = strdup(path);
    return r->names[r->count++] != NULL ? 0 : err_set(err, ENOMEM, "read the bundle");
}

static int
by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* A file that is a folder in another file's path. */
static void
find_conflicts(struct reader *r)
{
    char part[BUILD_PATH_BYTES + 1];
    const char *const key = part;

    for (unsigned i = 0; i < r->count; i++)
        for (const char *slash = strchr(r->names[i], '/'); slash != NULL;
             slash = strchr(slash + 1, '/')) {
            size_t n = (size_t)(slash - r->names[i]) + 1;

            if (i > 0 && strncmp(r->names[i - 1], r->names[i], n) == 0)
                continue; /* looked at already */
            r->folders++;
            (void)snprintf(part, sizeof part, "%.*s", (int)n - 1, r->names[i]);
            if (bsearch(&key, r->names, r->count, sizeof key, by_name) != NULL)
                (void)refuse(r, part, "it is a file and a folder at the same time");
        }
}

/* The one folder that all files are in. */
static void
find_wrapper(struct reader *r)
{
    const char *slash = r->count > 0 ? strchr(r->names[0], '/') : NULL;
    size_t n = slash != NULL ? (size_t)(slash - r->names[0]) + 1 : 0;

    for (unsigned i = 1; i < r->count; i++)
        if (strncmp(r->names[i], r->names[0], n) != 0)
            n = 0;
    r->strip = n;
}

/* ---- the second reading: files ---- */

static int
second_take(struct reader *r, struct archive *a, struct archive_entry *entry, const char *path,
            struct hearth_err *err)
{
    cleanup_free char *bytes = NULL;
    size_t len = 0, room = 0;

    (void)entry;
    for (;;) {
        la_ssize_t got;

        if (len == room) {
            size_t wider = room > 0 ? 2 * room : 16384;
            char *grown = realloc(bytes, wider);

            if (grown == NULL)
                return err_set(err, ENOMEM, "unpack %s", path);
            bytes = grown;
            room = wider;
        }
        got = archive_read_data(a, bytes + len, room - len);
        if (got < 0)
            return err_set(err, 0, "the archive is damaged at %.80s: %.80s", path,
                           archive_error_string(a));
        if (got == 0)
            return r->bundle->on_file(r->bundle->user, path + r->strip, bytes, len, err);
        len += (size_t)got;
        r->total += (size_t)got;
        if (r->total > r->most)
            return err_set(err, 0, "the bundle unpacks to more than %zu bytes", r->most);
    }
}

/* ---- both ---- */

typedef int (*take_fn)(struct reader *r, struct archive *a, struct archive_entry *entry,
                       const char *path, struct hearth_err *err);

static int
open_archive(struct reader *r, struct archive *a, struct hearth_err *err)
{
    if (a == NULL)
        return err_set(err, ENOMEM, "read the bundle");
    (void)archive_read_support_filter_gzip(a);
    (void)archive_read_support_format_tar(a);
    (void)archive_read_support_format_zip(a);
    if (archive_read_open_memory(a, r->bytes, r->len) != ARCHIVE_OK)
        return err_set(err, 0, "the body is neither a tar archive nor a zip: %s",
                       archive_error_string(a));
    if (archive_filter_count(a) > FILTERS_MAX)
        return err_set(err, 0, "the bundle is packed more than once");
    return 0;
}

static const char *
name_of(struct archive_entry *entry)
{
    const char *path = archive_entry_pathname_utf8(entry);

    return clean_path(path != NULL ? path : archive_entry_pathname(entry));
}

static int
too_large(const struct reader *r, struct hearth_err *err)
{
    return err_set(err, 0, "the bundle unpacks to more than %zu bytes or %d entries", r->most,
                   ENTRIES_MAX);
}

/* Reads what is left of an entry. libarchive would do so too, without a bound. */
static int
pass_over(struct reader *r, struct archive *a, struct archive_entry *entry, struct hearth_err *err)
{
    char bytes[16 * 1024];
    ssize_t got;

    if (archive_entry_size(entry) > (la_int64_t)(r->most + PADDING_MAX))
        return too_large(r, err);
    while ((got = archive_read_data(a, bytes, sizeof bytes)) > 0) {
        r->passed += (size_t)got;
        if (r->passed > r->most + PADDING_MAX)
            return too_large(r, err);
    }
    return got == 0 ? 0 : err_set(err, 0, "the archive is damaged: %.80s", archive_error_string(a));
}

static int
read_all(struct reader *r, bool first, struct hearth_err *err)
{
    __attribute__((cleanup(free_archive))) struct archive *a = archive_read_new();
    struct archive_entry *entry;
    int status = open_archive(r, a, err);

    if (status < 0)
        return status;
    r->entries = 0;
    r->passed = 0;
    /* a warning is of a name that is not in the locale's letters: it is looked at here */
    while ((status = archive_read_next_header(a, &entry)) == ARCHIVE_OK || status == ARCHIVE_WARN) {
        const char *path = name_of(entry);
        int failed = 0;

        if (++r->entries > ENTRIES_MAX ||
            archive_filter_bytes(a, 0) > (la_int64_t)(r->most + PADDING_MAX))
            return too_large(r, err);
        if (first ? fate_of(r, entry, path) == TAKEN
                  : path != NULL && archive_entry_filetype(entry) == AE_IFREG && !is_hidden(path))
            failed = (first ? first_take : second_take)(r, a, entry, path, err);
        if (failed == 0)
            failed = pass_over(r, a, entry, err);
        if (failed < 0)
            return failed;
    }
    if (status != ARCHIVE_EOF)
        return err_set(err, 0, "the body is no whole tar archive or zip: %s",
                       archive_error_string(a));
    return 0;
}

static int
read_twice(struct reader *r, struct hearth_err *err)
{
    int status = read_all(r, true, err);

    if (status < 0)
        return status;
    qsort(r->names, r->count, sizeof r->names[0], by_name);
    find_conflicts(r);
    if (r->folders > FOLDERS_MAX + r->bundle->more)
        return err_set(err, 0, "the bundle has more than %u folders",
                       FOLDERS_MAX + r->bundle->more);
    if (json_array_size(r->bundle->refused) > 0)
        return err_set(err, 0, "%zu of the bundle's files cannot be taken: see \"refused\"",
                       json_array_size(r->bundle->refused));
    if (r->count == 0)
        return err_set(err, 0, "the bundle has no file");
    find_wrapper(r);
    return read_all(r, false, err);
}

bool
gw_bundle_is_to_blame(int status)
{
    return status == -EINVAL || status == -EEXIST || status == -ENOTDIR || status == -ELOOP ||
           status == -EISDIR || status == -ENAMETOOLONG;
}

struct gw_bundle_letters
gw_bundle_letters_begin(void)
{
    struct gw_bundle_letters letters = {.utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0)};

    if (letters.utf8 != (locale_t)0)
        letters.before = uselocale(letters.utf8);
    return letters;
}

void
gw_bundle_letters_end(struct gw_bundle_letters *letters)
{
    if (letters->utf8 == (locale_t)0)
        return;
    (void)uselocale(letters->before);
    freelocale(letters->utf8);
}

int
gw_bundle_read(const void *bytes, size_t len, struct gw_bundle *bundle, struct hearth_err *err)
{
    struct reader r = {.bytes = bytes,
                       .len = len,
                       .bundle = bundle,
                       .most = bundle->most > 0 ? bundle->most : LIMIT_BUNDLE_BYTES};
    struct gw_bundle_letters letters = gw_bundle_letters_begin();
    int status;

    r.names = calloc(LIMIT_BUNDLE_FILES + bundle->more, sizeof r.names[0]);
    status = r.names != NULL ? read_twice(&r, err) : err_set(err, ENOMEM, "read the bundle");
    for (unsigned i = 0; i < r.count; i++)
        free(r.names[i]);
    free(r.names);
    gw_bundle_letters_end(&letters);
    return status;
}
