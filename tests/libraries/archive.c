/* archive.c: libarchive: a tar archive with gzip and a zip archive in memory, and their
 * entries again.
 *
 * package: libarchive-dev
 * libs: archive
 * pkgconfig: libarchive
 * settings: memory=128M
 */
#include <archive.h>
#include <archive_entry.h>
#include <hearth.h>
#include <locale.h>
#include <string.h>

/* libarchive takes names that are not ASCII where the locale has them. */
int
hearth_init(void)
{
    return setlocale(LC_CTYPE, "C.UTF-8") == NULL;
}

static int
pack(struct archive *a, char *bytes, size_t room, const char *body, size_t *used)
{
    static const char *const names[] = {"a.txt", "folder/b.txt", "z\xc3\xbc.txt"};

    if (archive_write_open_memory(a, bytes, room, used) != ARCHIVE_OK)
        return -1;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct archive_entry *e = archive_entry_new();

        archive_entry_set_pathname_utf8(e, names[i]);
        archive_entry_set_filetype(e, AE_IFREG);
        archive_entry_set_size(e, (la_int64_t)strlen(body));
        archive_entry_set_perm(e, 0644);
        archive_entry_set_mtime(e, 1700000000, 0);
        if (archive_write_header(a, e) < ARCHIVE_WARN)
            return -1;
        archive_write_data(a, body, strlen(body));
        archive_entry_free(e);
    }
    return archive_write_free(a);
}

static int
list(hearth_call *call, const char *bytes, size_t n)
{
    struct archive *a = archive_read_new();
    struct archive_entry *e;
    char text[512];
    int bad = 0;

    archive_read_support_filter_all(a);
    archive_read_support_format_all(a);
    if (archive_read_open_memory(a, bytes, n) != ARCHIVE_OK)
        bad = hearth_printf(call, "not read: %s\n", archive_error_string(a));
    else
        while (archive_read_next_header(a, &e) == ARCHIVE_OK) {
            la_ssize_t got = archive_read_data(a, text, sizeof text);

            bad |= hearth_printf(call, "%s %s: %.*s\n", archive_format_name(a),
                                 archive_entry_pathname_utf8(e), (int)got, text);
        }
    archive_read_free(a);
    return bad;
}

int
hearth_handle(hearth_call *call)
{
    enum { ROOM = 65536 };
    const char *body = hearth_body(call, NULL);
    struct archive *tar = archive_write_new(), *zip = archive_write_new();
    char *bytes = hearth_alloc(call, ROOM);
    size_t n = 0;
    int bad;

    if (bytes == NULL)
        return 1;
    archive_write_set_format_pax_restricted(tar);
    archive_write_add_filter_gzip(tar);
    archive_write_set_format_zip(zip);
    bad = pack(tar, bytes, ROOM, body, &n) | list(call, bytes, n);
    bad |= pack(zip, bytes, ROOM, body, &n) | list(call, bytes, n);
    return bad | list(call, body, strlen(body));
}
