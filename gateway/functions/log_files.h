/* log_files.h: the log of a function on disk: functions/NAME/log, and log.old, which is what was
 * there before it was full. Chunks as in log_line.h, one after another. All functions block: call
 * them in the thread pool, one at a time per function, after store_open.
 */
#ifndef GATEWAY_LOG_FILES_H
#define GATEWAY_LOG_FILES_H

#include <stddef.h>
#include <stdint.h>

#include "log_line.h"

#define LOG_FILES_LEAST (256 * 1024) /* twice what the largest chunk may have */

/* Bytes on disk. */
int64_t log_files_size(const char *name);
/* Appends whole chunks; a file that a crash left with half a chunk is cut first. After an error
 * some of the chunks may be there. most: bytes of both files together, at least LOG_FILES_LEAST.
 * Returns 0 or a negative errno; -ENOENT: the function is gone. */
int log_files_append(const char *name, const void *chunks, size_t n, int64_t most);
/* Removes the older half, or all where there is no older one. */
void log_files_shrink(const char *name);
/* The last `lines` of those that are wanted, as JSON lines, from malloc; NULL if there is no
 * memory. What cannot be read is left out. */
char *log_files_read(const char *name, const struct log_filter *filter, size_t lines, size_t *len);

#endif
