/* bundle.c: makes tar archives in memory. */
#include "bundle.h"

#include <archive.h>
#include <archive_entry.h>
#include <string.h>

#include "harness.h"

void
bundle_open(struct bundle *b, bool gzip)
{
    b->a = archive_write_new();
    archive_write_set_format_pax_restricted(b->a);
    if (gzip)
        archive_write_add_filter_gzip(b->a);
    assert_int_equal(archive_write_open_memory(b->a, b->bytes, sizeof b->bytes, &b->len), 0);
}

void
bundle_open_zip(struct bundle *b)
{
    b->a = archive_write_new();
    archive_write_set_format_zip(b->a);
    assert_int_equal(archive_write_open_memory(b->a, b->bytes, sizeof b->bytes, &b->len), 0);
}

void
bundle_add(struct bundle *b, const char *path, const char *text, const char *link)
{
    struct archive_entry *e = archive_entry_new();

    archive_entry_set_pathname(e, path);
    archive_entry_set_filetype(e, link != NULL ? AE_IFLNK : AE_IFREG);
    if (link != NULL)
        archive_entry_set_symlink(e, link);
    archive_entry_set_size(e, link != NULL ? 0 : (la_int64_t)strlen(text));
    archive_entry_set_perm(e, 0644);
    /* a warning: the name is kept as bytes, as a program in the locale C does it */
    assert_true(archive_write_header(b->a, e) >= ARCHIVE_WARN);
    if (link == NULL)
        (void)archive_write_data(b->a, text, strlen(text));
    archive_entry_free(e);
}

void
bundle_add_bytes(struct bundle *b, const char *path, const void *bytes, size_t len)
{
    struct archive_entry *e = archive_entry_new();

    archive_entry_set_pathname(e, path);
    archive_entry_set_filetype(e, AE_IFREG);
    archive_entry_set_size(e, (la_int64_t)len);
    archive_entry_set_perm(e, 0644);
    assert_int_equal(archive_write_header(b->a, e), ARCHIVE_OK);
    assert_int_equal(archive_write_data(b->a, bytes, len), (la_ssize_t)len);
    archive_entry_free(e);
}

void
bundle_close(struct bundle *b)
{
    assert_int_equal(archive_write_free(b->a), 0);
}
