/* output.h: what a function prints and logs, on its way from the worker to the gateway: a ring of
 * records in the channel's memory file, and the line of each stream that has no newline yet. So
 * the gateway reads it without a system call, and still has it when the worker has died.
 *
 * Trust: as in channel.h. The gateway copies a record before it looks at it.
 */
#ifndef COMMON_OUTPUT_H
#define COMMON_OUTPUT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "limits.h"

enum output_stream { OUTPUT_LOG, OUTPUT_STDOUT, OUTPUT_STDERR, OUTPUT_STREAMS };

#define OUTPUT_LEVELS 4 /* hearth.h's, debug to error */

/* One line: this, then the call's id, then the text, without a newline; padded to 8. */
struct output_record {
    uint16_t text_len;
    uint8_t id_len;
    uint8_t level;
    uint8_t stream; /* OUTPUT_STREAMS: no line, only padding to the ring's start */
    uint8_t none[3];
};

#define OUTPUT_RECORD_MOST (sizeof(struct output_record) + LIMIT_CALL_ID + LIMIT_LOG_LINE)

struct output_partial {
    _Atomic uint32_t len;
    uint32_t id_len;
    char id[LIMIT_CALL_ID];
    char text[LIMIT_LOG_LINE];
};

/* At the start of the area; the ring follows at OUTPUT_HEAD. */
struct output_shared {
    _Alignas(64) _Atomic uint64_t tail; /* written by the worker */
    _Alignas(64) _Atomic uint64_t head; /* written by the gateway */
    _Alignas(64) _Atomic uint64_t lost_lines;
    _Atomic uint64_t lost_bytes;
    struct output_partial partial[OUTPUT_STREAMS];
};

#define OUTPUT_HEAD  8192u
#define OUTPUT_BYTES (OUTPUT_HEAD + LIMIT_OUTPUT) /* of the area in the file */

/* One side's view. */
struct output {
    struct output_shared *shared;
    unsigned char *ring; /* mapped twice in a row */
    _Atomic uint64_t at; /* own position; the gateway changes it with its lock held */
};

struct output_line {
    int level;
    enum output_stream stream;
    const char *id, *text; /* not ended by a NUL */
    size_t id_len, text_len;
};

/* Bytes of a record with that much id and text. */
static inline size_t
output_space(size_t id_len, size_t text_len)
{
    return (sizeof(struct output_record) + id_len + text_len + 7) & ~(size_t)7;
}

/* The record at the start of n bytes. Its space, or 0 where it cannot be one. */
size_t output_parse(const unsigned char *bytes, size_t n, struct output_line *line);
/* Writes a record to bytes, which have output_space() of room. */
void output_format(unsigned char *bytes, const struct output_line *line);

/* ---- worker; one thread at a time ---- */

/* A whole line. Where the ring has no room it is counted as lost: false. */
bool output_write(struct output *out, const struct output_line *line);
/* Bytes of a stream, split into lines. */
void output_print(struct output *out, enum output_stream stream, const char *id, const char *bytes,
                  size_t n);
/* Ends the lines that have no newline. */
void output_end_lines(struct output *out);

/* ---- gateway ---- */

static inline bool
output_pending(const struct output *out)
{
    return atomic_load_explicit(&out->shared->tail, memory_order_acquire) !=
           atomic_load_explicit(&out->at, memory_order_relaxed);
}

/* Takes lines: copies at most `most` bytes of records, which output_parse reads then. Bytes
 * copied; 0: no line is there. most: at least OUTPUT_RECORD_MOST. */
size_t output_take(struct output *out, unsigned char *bytes, size_t most);
/* The line of a stream that has no newline. False where there is none. buf: LIMIT_LOG_LINE +
 * LIMIT_CALL_ID bytes, which *line then points into. */
bool output_take_partial(struct output *out, enum output_stream stream, char *buf,
                         struct output_line *line);
/* How much was lost since it was asked last. False: nothing. */
bool output_take_lost(struct output *out, uint64_t *lines, uint64_t *bytes);

#endif
