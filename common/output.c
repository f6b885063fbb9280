/* output.c: see output.h. Positions only grow; the ring is mapped twice, so a record is
 * contiguous.
 * Invariant: 0 <= tail - head <= LIMIT_OUTPUT, or the worker lies.
 */
#include "output.h"

#include <assert.h>
#include <string.h>

static_assert(sizeof(struct output_shared) <= OUTPUT_HEAD, "the ring follows it");
static_assert(sizeof(struct output_record) == 8, "records stay aligned");

static uint64_t
position(const struct output *out)
{
    return atomic_load_explicit(&out->at, memory_order_relaxed);
}

static void
move(struct output *out, uint64_t to)
{
    atomic_store_explicit(&out->at, to, memory_order_relaxed);
}

/* The size of a record by its head, or 0 where there can be none of that kind in n bytes. */
static size_t
record_space(const struct output_record *record, size_t n)
{
    size_t space = output_space(record->id_len, record->text_len);

    if (record->stream > OUTPUT_STREAMS || record->level >= OUTPUT_LEVELS || space > n ||
        record->id_len > LIMIT_CALL_ID ||
        (record->stream < OUTPUT_STREAMS && record->text_len > LIMIT_LOG_LINE))
        return 0;
    return space;
}

size_t
output_parse(const unsigned char *bytes, size_t n, struct output_line *line)
{
    struct output_record record;
    size_t space;

    if (n < sizeof record)
        return 0;
    memcpy(&record, bytes, sizeof record);
    space = record_space(&record, n);
    if (space == 0)
        return 0;
    *line = (struct output_line){.level = record.level,
                                 .stream = (enum output_stream)record.stream,
                                 .id = (const char *)bytes + sizeof record,
                                 .text = (const char *)bytes + sizeof record + record.id_len,
                                 .id_len = record.id_len,
                                 .text_len = record.text_len};
    return space;
}

void
output_format(unsigned char *bytes, const struct output_line *line)
{
    struct output_record record = {.text_len = (uint16_t)line->text_len,
                                   .id_len = (uint8_t)line->id_len,
                                   .level = (uint8_t)line->level,
                                   .stream = (uint8_t)line->stream};

    memcpy(bytes, &record, sizeof record);
    if (line->id_len > 0)
        memcpy(bytes + sizeof record, line->id, line->id_len);
    if (line->text_len > 0)
        memcpy(bytes + sizeof record + line->id_len, line->text, line->text_len);
}

/* ---- worker ---- */

/* An empty ring is taken up again from its start, so that a function that prints little stays
 * within a few pages. */
static void
go_to_start(struct output *out, uint64_t used)
{
    uint64_t left = LIMIT_OUTPUT - position(out) % LIMIT_OUTPUT;

    if (used > 0 || left == LIMIT_OUTPUT || left > LIMIT_OUTPUT - LIMIT_OUTPUT_WARM)
        return;
    while (left > 0) { /* as padding, in pieces that a record can have */
        size_t piece = left < 65528 ? left : 65528;
        struct output_record pad = {.stream = OUTPUT_STREAMS,
                                    .text_len = (uint16_t)(piece - sizeof pad)};

        memcpy(out->ring + position(out) % LIMIT_OUTPUT, &pad, sizeof pad);
        move(out, position(out) + piece);
        left -= piece;
    }
}

bool
output_write(struct output *out, const struct output_line *line)
{
    uint64_t used = position(out) - atomic_load_explicit(&out->shared->head, memory_order_acquire);
    size_t space = output_space(line->id_len, line->text_len);

    go_to_start(out, used);
    used = position(out) - atomic_load_explicit(&out->shared->head, memory_order_acquire);
    if (LIMIT_OUTPUT - used < space) {
        (void)atomic_fetch_add(&out->shared->lost_lines, 1);
        (void)atomic_fetch_add(&out->shared->lost_bytes, line->text_len);
        return false;
    }
    output_format(out->ring + position(out) % LIMIT_OUTPUT, line);
    move(out, position(out) + space);
    atomic_store_explicit(&out->shared->tail, position(out), memory_order_release);
    return true;
}

static void
end_line(struct output *out, enum output_stream stream)
{
    struct output_partial *partial = &out->shared->partial[stream];
    uint32_t len = atomic_load_explicit(&partial->len, memory_order_relaxed);

    (void)output_write(out, &(struct output_line){.level = 1,
                                                  .stream = stream,
                                                  .id = partial->id,
                                                  .id_len = partial->id_len,
                                                  .text = partial->text,
                                                  .text_len = len});
    atomic_store_explicit(&partial->len, 0, memory_order_release);
}

static void
add_to_line(struct output *out, enum output_stream stream, const char *id, const char *bytes,
            size_t n)
{
    struct output_partial *partial = &out->shared->partial[stream];
    uint32_t len = atomic_load_explicit(&partial->len, memory_order_relaxed);

    if (len == 0) {
        partial->id_len = (uint32_t)strnlen(id, LIMIT_CALL_ID);
        memcpy(partial->id, id, partial->id_len);
    }
    while (n > 0) { /* a line that is too long becomes several */
        size_t part = LIMIT_LOG_LINE - len < n ? LIMIT_LOG_LINE - len : n;

        memcpy(partial->text + len, bytes, part);
        len += (uint32_t)part;
        bytes += part;
        n -= part;
        atomic_store_explicit(&partial->len, len, memory_order_release);
        if (n > 0) {
            end_line(out, stream);
            len = 0;
        }
    }
}

void
output_print(struct output *out, enum output_stream stream, const char *id, const char *bytes,
             size_t n)
{
    struct output_partial *partial = &out->shared->partial[stream];

    while (n > 0) {
        const char *end = memchr(bytes, '\n', n);
        size_t part = end != NULL ? (size_t)(end - bytes) : n;

        if (end != NULL && part <= LIMIT_LOG_LINE && partial->len == 0)
            (void)output_write(out, &(struct output_line){.level = 1,
                                                          .stream = stream,
                                                          .id = id,
                                                          .id_len = strnlen(id, LIMIT_CALL_ID),
                                                          .text = bytes,
                                                          .text_len = part});
        else {
            add_to_line(out, stream, id, bytes, part);
            if (end != NULL)
                end_line(out, stream);
        }
        part += end != NULL;
        bytes += part;
        n -= part;
    }
}

void
output_end_lines(struct output *out)
{
    for (int s = 0; s < OUTPUT_STREAMS; s++)
        if (atomic_load_explicit(&out->shared->partial[s].len, memory_order_relaxed) > 0)
            end_line(out, (enum output_stream)s);
}

/* ---- gateway ---- */

size_t
output_take(struct output *out, unsigned char *bytes, size_t most)
{
    uint64_t tail = atomic_load_explicit(&out->shared->tail, memory_order_acquire);
    size_t taken = 0;

    while (tail != position(out)) {
        const unsigned char *from = out->ring + position(out) % LIMIT_OUTPUT;
        uint64_t there = tail - position(out);
        struct output_record record;
        size_t space = 0;

        memcpy(&record, from, sizeof record);
        if (there <= LIMIT_OUTPUT && there >= sizeof record)
            space = record_space(&record, there);
        if (space == 0) { /* the worker lies: nothing that follows can be told */
            move(out, tail & ~UINT64_C(7));
            break;
        }
        if (record.stream < OUTPUT_STREAMS) {
            if (space > most - taken)
                break;
            memcpy(bytes + taken, &record, sizeof record);
            memcpy(bytes + taken + sizeof record, from + sizeof record, space - sizeof record);
            taken += space;
        }
        move(out, position(out) + space);
    }
    atomic_store_explicit(&out->shared->head, position(out), memory_order_release);
    return taken;
}

bool
output_take_partial(struct output *out, enum output_stream stream, char *buf,
                    struct output_line *line)
{
    struct output_partial *partial = &out->shared->partial[stream];
    uint32_t len = atomic_load_explicit(&partial->len, memory_order_acquire);
    uint32_t id_len = partial->id_len;

    if (len == 0 || len > LIMIT_LOG_LINE || id_len > LIMIT_CALL_ID)
        return false;
    memcpy(buf, partial->id, id_len);
    memcpy(buf + id_len, partial->text, len);
    *line = (struct output_line){.level = 1,
                                 .stream = stream,
                                 .id = buf,
                                 .id_len = id_len,
                                 .text = buf + id_len,
                                 .text_len = len};
    return true;
}

bool
output_take_lost(struct output *out, uint64_t *lines, uint64_t *bytes)
{
    if (atomic_load_explicit(&out->shared->lost_lines, memory_order_relaxed) == 0)
        return false;
    *lines = atomic_exchange(&out->shared->lost_lines, 0);
    *bytes = atomic_exchange(&out->shared->lost_bytes, 0);
    return *lines > 0;
}
