/* journal.c: the last output of each function, in memory: records of what it printed and logged
 * (common/output.h), in chunks as they were taken. They are decoded only on request. Bounded in
 * bytes, per function and in total. Call with the lock held.
 */
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <utlist.h>

#include "cleanup.h"
#include "clock.h"
#include "function.h"
#include "output.h"
#include "text.h"

#define JOURNAL_BYTES  (2 * 1024 * 1024)  /* per function */
#define JOURNALS_BYTES (64 * 1024 * 1024) /* in total */

struct chunk {
    struct chunk *prev, *next; /* the oldest first */
    int64_t at_ms;             /* since 1970 */
    uint64_t number;           /* ascending, of all functions */
    uint64_t instance;
    unsigned lines;
    size_t len;
    unsigned char bytes[];
};

struct gw_journal {
    struct chunk *chunks;
    size_t bytes;
};

static size_t all_bytes;
static uint64_t next_number;

static size_t
cost(const struct chunk *chunk)
{
    return sizeof *chunk + chunk->len;
}

static void
drop(struct gw_journal *journal, struct chunk *chunk)
{
    DL_DELETE(journal->chunks, chunk);
    journal->bytes -= cost(chunk);
    all_bytes -= cost(chunk);
    free(chunk);
}

void
gw_journal_say(struct gw_function *f, uint64_t instance, int level, const char *call_id,
               const char *fmt, ...)
{
    char text[512];
    struct output_line line = {.level = level,
                               .stream = OUTPUT_LOG,
                               .id = call_id,
                               .id_len = strlen(call_id),
                               .text = text};
    int prefix = snprintf(text, sizeof text, "hearth: ");
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text + prefix, sizeof text - (size_t)prefix, fmt, ap);
    va_end(ap);
    line.text_len = strlen(text);
    gw_journal_add(f, instance, &line);
}

void
gw_journal_add_records(struct gw_function *f, uint64_t instance, const void *records, size_t n)
{
    struct gw_journal *journal = f->journal;
    struct chunk *chunk = malloc(sizeof *chunk + n);
    struct output_line line;

    if (journal == NULL)
        journal = f->journal = calloc(1, sizeof *journal);
    if (journal == NULL || chunk == NULL) {
        free(chunk);
        return;
    }
    chunk->at_ms = clock_wall_ms();
    chunk->number = next_number++;
    chunk->instance = instance;
    chunk->len = n;
    chunk->lines = 0;
    memcpy(chunk->bytes, records, n);
    for (size_t at = 0, space; at < n; at += space, chunk->lines++)
        if ((space = output_parse(chunk->bytes + at, n - at, &line)) == 0)
            break;
    DL_APPEND(journal->chunks, chunk);
    journal->bytes += cost(chunk);
    all_bytes += cost(chunk);
    while (journal->chunks != chunk &&
           (journal->bytes > JOURNAL_BYTES || all_bytes > JOURNALS_BYTES))
        drop(journal, journal->chunks);
}

void
gw_journal_add(struct gw_function *f, uint64_t instance, const struct output_line *line)
{
    unsigned char record[OUTPUT_RECORD_MOST + 8] = {0};
    struct output_line fit = *line;

    if (fit.text_len > LIMIT_LOG_LINE)
        fit.text_len = LIMIT_LOG_LINE;
    if (fit.id_len > LIMIT_CALL_ID)
        fit.id_len = LIMIT_CALL_ID;
    output_format(record, &fit);
    gw_journal_add_records(f, instance, record, output_space(fit.id_len, fit.text_len));
}

/* ---- reading ---- */

/* A copy without the characters that a terminal would act on. */
static char *
printable(const char *bytes, size_t n, bool is_text)
{
    char *copy = malloc(n + 1);

    if (copy == NULL)
        return NULL;
    memcpy(copy, bytes, n);
    copy[n] = '\0';
    text_printable_bytes(copy, n, is_text);
    return copy;
}

static char *
line_json(const struct chunk *chunk, const struct output_line *line)
{
    static const char *const levels[] = {"debug", "info", "warning", "error"};
    static const char *const streams[] = {
        [OUTPUT_LOG] = "log", [OUTPUT_STDOUT] = "stdout", [OUTPUT_STDERR] = "stderr"};
    cleanup_free char *message = printable(line->text, line->text_len, true);
    cleanup_free char *id = printable(line->id, line->id_len, false);
    char time[TEXT_TIME];
    json_t *json;
    char *text;

    if (message == NULL || id == NULL)
        return NULL;
    json = json_pack("{s:s,s:s,s:s,s:I,s:o}", "time", text_time(chunk->at_ms, time), "level",
                     levels[line->level], "stream", streams[line->stream], "instance",
                     (json_int_t)chunk->instance, "message", json_string(message));
    if (id[0] != '\0')
        (void)json_object_set_new(json, "call_id", json_string(id));
    text = json_dumps(json, JSON_COMPACT);
    json_decref(json);
    return text;
}

/* Finds the chunk that contains the first of the last `lines` lines (of one instance; 0: of all).
 * *skip: how many lines of that chunk come before it. Returns NULL if there are no lines. */
static struct chunk *
find_start(const struct gw_journal *journal, uint64_t instance, unsigned lines, unsigned *skip)
{
    struct chunk *first = journal != NULL ? journal->chunks : NULL;
    struct chunk *at = first != NULL ? first->prev : NULL;

    *skip = 0;
    while (at != NULL) {
        if (instance == 0 || at->instance == instance) {
            if (at->lines >= lines) {
                *skip = at->lines - lines;
                return at;
            }
            lines -= at->lines;
        }
        if (at == first)
            return first;
        at = at->prev;
    }
    return NULL;
}

static void
write_line(FILE *out, const struct chunk *chunk, const struct output_line *line, bool as_json)
{
    cleanup_free char *text =
        as_json ? line_json(chunk, line) : printable(line->text, line->text_len, true);

    if (text != NULL)
        (void)fprintf(out, "%s\n", text);
}

static char *
write_all(const struct gw_function *f, uint64_t instance, unsigned lines, bool as_json, size_t *len)
{
    unsigned skip;
    const struct chunk *chunk = find_start(f->journal, instance, lines, &skip);
    char *all = NULL;
    FILE *out = open_memstream(&all, len);

    if (out == NULL)
        return NULL;
    for (; chunk != NULL; chunk = chunk->next) {
        struct output_line line;
        size_t space;

        if (instance != 0 && chunk->instance != instance)
            continue;
        for (size_t at = 0; at < chunk->len; at += space) {
            if ((space = output_parse(chunk->bytes + at, chunk->len - at, &line)) == 0)
                break;
            if (skip > 0)
                skip--;
            else
                write_line(out, chunk, &line, as_json);
        }
    }
    if (fclose(out) != 0) {
        free(all);
        return NULL;
    }
    return all;
}

char *
gw_journal_tail(const struct gw_function *f, uint64_t instance, unsigned lines)
{
    size_t len = 0;

    return write_all(f, instance, lines, false, &len);
}

char *
gw_journal_text(const struct gw_function *f, unsigned lines, size_t *len)
{
    return write_all(f, 0, lines, true, len);
}

uint64_t
gw_journal_next(void)
{
    return next_number;
}

char *
gw_journal_since(const struct gw_function *f, uint64_t *from, size_t *len)
{
    const struct chunk *chunk, *first = f->journal != NULL ? f->journal->chunks : NULL;
    char *all = NULL;
    FILE *out = open_memstream(&all, len);

    if (out == NULL)
        return NULL;
    DL_FOREACH(first, chunk)
    {
        struct output_line line;

        if (chunk->number < *from)
            continue;
        for (size_t at = 0, space; at < chunk->len; at += space) {
            if ((space = output_parse(chunk->bytes + at, chunk->len - at, &line)) == 0)
                break;
            write_line(out, chunk, &line, true);
        }
    }
    *from = next_number;
    if (fclose(out) != 0) {
        free(all);
        return NULL;
    }
    return all;
}

void
gw_journal_free(struct gw_journal *journal)
{
    while (journal != NULL && journal->chunks != NULL)
        drop(journal, journal->chunks);
    free(journal);
}
