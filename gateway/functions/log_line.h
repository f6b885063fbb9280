/* log_line.h: one line of a function's log: which lines a reader wants, and how he gets them. */
#ifndef GATEWAY_LOG_LINE_H
#define GATEWAY_LOG_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "limits.h"
#include "output.h"

/* All zero: every line. */
struct log_filter {
    int64_t since_ms; /* since 1970 */
    int level;        /* at least; as in enum hearth_level */
    char call_id[LIMIT_CALL_ID + 1];
};

/* Pieces of output as they were taken, in memory and on disk: this, then `len` bytes of records
 * (output.h). */
struct log_chunk {
    uint32_t magic, len;
    int64_t at_ms; /* since 1970 */
    uint64_t instance;
};

#define LOG_MAGIC 0x31474c48u /* "HLG1" */

/* The number of a level by its name, or -1. */
int log_level_number(const char *name);
bool log_line_wanted(const struct log_filter *filter, int64_t at_ms,
                     const struct output_line *line);
/* The bytes without what a terminal would act on, from malloc; NULL if there is no memory. */
char *log_text_printable(const char *bytes, size_t n, bool is_text);
/* A JSON object and a newline. Nothing if there is no memory. */
void log_line_print(FILE *out, const struct log_chunk *chunk, const struct output_line *line);
/* Calls back with each line of the records until it returns false. Returns the number of bytes that
 * were records. */
size_t log_chunk_lines(const struct log_chunk *chunk, const unsigned char *records,
                       bool (*on_line)(void *user, const struct log_chunk *chunk,
                                       const struct output_line *line),
                       void *user);

#endif
