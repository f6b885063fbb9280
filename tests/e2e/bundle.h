/* bundle.h: tar archives in memory, for deploys. */
#ifndef TESTS_E2E_BUNDLE_H
#define TESTS_E2E_BUNDLE_H

#include <stdbool.h>
#include <stddef.h>

struct archive;

struct bundle {
    char bytes[512 * 1024];
    size_t len;
    struct archive *a;
};

void bundle_open(struct bundle *b, bool gzip);
void bundle_open_zip(struct bundle *b);
/* Adds a file with this text, or a symbolic link. */
void bundle_add(struct bundle *b, const char *path, const char *text, const char *link);
void bundle_add_bytes(struct bundle *b, const char *path, const void *bytes, size_t len);
void bundle_close(struct bundle *b);

#endif
