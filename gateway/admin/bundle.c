/* bundle.c: reads a bundle with libarchive. The archive comes from outside: only
 * plain files with clean relative paths are taken, and their number and their
 * unpacked size are bounded while they are read.
 */
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "admin/deploy.h"
#include "cleanup.h"

#define PATH_BYTES 240
#define PATH_DEPTH 8

/* What the archive may be besides the files in it: names, folders, padding. */
#define ENTRIES_MAX  (4 * LIMIT_BUNDLE_FILES)
#define UNPACKED_MAX (LIMIT_BUNDLE_BYTES + (16 << 20))
#define FILTERS_MAX  2 /* gzip, and libarchive's own for the plain bytes */

static void
free_archive(struct archive **a)
{
    if (*a != NULL)
        (void)archive_read_free(*a);
}

/* Relative, of plain parts: no "..", no hidden part, no odd letter. */
static bool
path_ok(const char *path)
{
    unsigned depth = 0;

    if (path[0] == '\0' || strlen(path) > PATH_BYTES)
        return false;
    for (const char *part = path; part != NULL; depth++) {
        size_t n = strcspn(part, "/");

        if (n == 0 || part[0] == '.' || part[0] == '-')
            return false;
        for (size_t i = 0; i < n; i++)
            if ((unsigned char)part[i] < 0x21 || (unsigned char)part[i] > 0x7e ||
                strchr(":\\\"'`$;&|<>*?", part[i]) != NULL)
                return false;
        part = part[n] == '/' ? part + n + 1 : NULL;
    }
    return depth <= PATH_DEPTH;
}

static const char *
clean_path(const char *path)
{
    while (path != NULL && path[0] == '.' && path[1] == '/')
        path += 2;
    return path;
}

static int
read_file(struct archive *a, const char *path, size_t *total, gw_bundle_fn on_file, void *user,
          struct hearth_err *err)
{
    cleanup_free char *bytes = NULL;
    size_t len = 0, room = 0;

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
            return err_set(err, 0, "the archive is damaged at %s: %s", path,
                           archive_error_string(a));
        if (got == 0)
            return on_file(user, path, bytes, len, err);
        len += (size_t)got;
        *total += (size_t)got;
        if (*total > LIMIT_BUNDLE_BYTES)
            return err_set(err, 0, "the bundle unpacks to more than %d bytes", LIMIT_BUNDLE_BYTES);
    }
}

static int
read_entry(struct archive *a, struct archive_entry *entry, size_t *total, unsigned *files,
           gw_bundle_fn on_file, void *user, struct hearth_err *err)
{
    const char *path = clean_path(archive_entry_pathname(entry));
    unsigned type = archive_entry_filetype(entry);

    if (type == AE_IFDIR)
        return archive_entry_size(entry) == 0 ? 0 : err_set(err, 0, "a folder has a size");
    if (path == NULL || !path_ok(path))
        return err_set(err, 0,
                       "the path \"%.80s\" is not allowed in a bundle: want relative, plain "
                       "names",
                       path != NULL ? path : "");
    if (type != AE_IFREG || archive_entry_hardlink(entry) != NULL)
        return err_set(err, 0, "%s is no plain file: links and devices are not allowed in a bundle",
                       path);
    if (++*files > LIMIT_BUNDLE_FILES)
        return err_set(err, 0, "the bundle has more than %d files", LIMIT_BUNDLE_FILES);
    return read_file(a, path, total, on_file, user, err);
}

int
gw_bundle_read(const void *bytes, size_t len, gw_bundle_fn on_file, void *user,
               struct hearth_err *err)
{
    __attribute__((cleanup(free_archive))) struct archive *a = archive_read_new();
    struct archive_entry *entry;
    size_t total = 0;
    unsigned files = 0, entries = 0;
    int status;

    if (a == NULL)
        return err_set(err, ENOMEM, "read the bundle");
    (void)archive_read_support_filter_gzip(a);
    (void)archive_read_support_format_tar(a);
    if (archive_read_open_memory(a, bytes, len) != ARCHIVE_OK)
        return err_set(err, 0, "the body is no tar archive: %s", archive_error_string(a));
    if (archive_filter_count(a) > FILTERS_MAX)
        return err_set(err, 0, "the bundle is packed more than once");
    while ((status = archive_read_next_header(a, &entry)) == ARCHIVE_OK) {
        int failed = read_entry(a, entry, &total, &files, on_file, user, err);

        if (failed < 0)
            return failed;
        if (++entries > ENTRIES_MAX || archive_filter_bytes(a, 0) > UNPACKED_MAX)
            return err_set(err, 0, "the bundle unpacks to more than %d bytes or %d entries",
                           LIMIT_BUNDLE_BYTES, ENTRIES_MAX);
    }
    if (status != ARCHIVE_EOF)
        return err_set(err, 0, "the body is no whole tar archive: %s", archive_error_string(a));
    return files > 0 ? 0 : err_set(err, 0, "the bundle has no file");
}
