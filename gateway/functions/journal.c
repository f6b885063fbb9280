/* journal.c: see journal.h. */
#include "journal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "cleanup.h"
#include "clock.h"
#include "function.h"

#define JOURNAL_BYTES  (4 * 1024 * 1024)  /* per function */
#define JOURNALS_BYTES (64 * 1024 * 1024) /* in total */

struct chunk {
    struct chunk *prev, *next; /* the oldest first */
    uint64_t number;           /* ascending, of all functions */
    unsigned lines;
    struct log_chunk head;
    unsigned char bytes[];
};

struct gw_journal {
    struct chunk *chunks;
    size_t bytes;
    uint64_t saved; /* chunks below this number are on disk */
    uint64_t lost;  /* lines that were dropped before they were saved */
};

static size_t all_bytes;
static uint64_t next_number;
static bool on_disk, dirty;

static size_t
cost(const struct chunk *chunk)
{
    return sizeof *chunk + chunk->head.len;
}

static void
drop(struct gw_journal *journal, struct chunk *chunk)
{
    if (on_disk && chunk->number >= journal->saved)
        journal->lost += chunk->lines;
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

static bool
count_line(void *user, const struct log_chunk *head, const struct output_line *line)
{
    (void)head;
    (void)line;
    (*(unsigned *)user)++;
    return true;
}

void
gw_journal_add_records(struct gw_function *f, uint64_t instance, const void *records, size_t n)
{
    struct gw_journal *journal = f->journal;
    struct chunk *chunk = malloc(sizeof *chunk + n);

    if (journal == NULL)
        journal = f->journal = calloc(1, sizeof *journal);
    if (journal == NULL || chunk == NULL) {
        free(chunk);
        return;
    }
    chunk->number = next_number++;
    chunk->head = (struct log_chunk){LOG_MAGIC, (uint32_t)n, clock_wall_ms(), instance};
    chunk->lines = 0;
    memcpy(chunk->bytes, records, n);
    (void)log_chunk_lines(&chunk->head, chunk->bytes, count_line, &chunk->lines);
    DL_APPEND(journal->chunks, chunk);
    journal->bytes += cost(chunk);
    all_bytes += cost(chunk);
    dirty = true;
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

void
gw_journal_free(struct gw_journal *journal)
{
    while (journal != NULL && journal->chunks != NULL)
        drop(journal, journal->chunks);
    free(journal);
}

/* ---- reading ---- */

uint64_t
gw_journal_next(void)
{
    return next_number;
}

static const struct chunk *
first_chunk(const struct gw_function *f)
{
    return f->journal != NULL ? f->journal->chunks : NULL;
}

struct tail {
    FILE *out;
    unsigned skip;
};

static bool
print_plain(void *user, const struct log_chunk *head, const struct output_line *line)
{
    struct tail *tail = user;
    cleanup_free char *text = NULL;

    (void)head;
    if (tail->skip > 0) {
        tail->skip--;
        return true;
    }
    text = log_text_printable(line->text, line->text_len, true);
    if (text != NULL)
        (void)fprintf(tail->out, "%s\n", text);
    return true;
}

char *
gw_journal_tail(const struct gw_function *f, uint64_t instance, unsigned lines)
{
    const struct chunk *chunk;
    unsigned all = 0;
    size_t len = 0;
    char *text = NULL;
    struct tail tail = {.out = open_memstream(&text, &len)};

    if (tail.out == NULL)
        return NULL;
    for (chunk = first_chunk(f); chunk != NULL; chunk = chunk->next)
        all += chunk->head.instance == instance ? chunk->lines : 0;
    tail.skip = all > lines ? all - lines : 0;
    for (chunk = first_chunk(f); chunk != NULL; chunk = chunk->next)
        if (chunk->head.instance == instance)
            (void)log_chunk_lines(&chunk->head, chunk->bytes, print_plain, &tail);
    return fclose(tail.out) == 0 ? text : NULL;
}

struct printing {
    FILE *out;
    const struct log_filter *filter;
};

static bool
print_json(void *user, const struct log_chunk *head, const struct output_line *line)
{
    const struct printing *printing = user;

    if (log_line_wanted(printing->filter, head->at_ms, line))
        log_line_print(printing->out, head, line);
    return true;
}

char *
gw_journal_text(const struct gw_function *f, const struct log_filter *filter, uint64_t from,
                size_t *len)
{
    char *text = NULL;
    struct printing printing = {.out = open_memstream(&text, len), .filter = filter};

    if (printing.out == NULL)
        return NULL;
    for (const struct chunk *chunk = first_chunk(f); chunk != NULL; chunk = chunk->next)
        if (chunk->number >= from)
            (void)log_chunk_lines(&chunk->head, chunk->bytes, print_json, &printing);
    return fclose(printing.out) == 0 ? text : NULL;
}

/* ---- on its way to the disk ---- */

void
gw_journal_keep(void)
{
    on_disk = true;
}

bool
gw_journal_is_dirty(void)
{
    return dirty;
}

void
gw_journal_clean(void)
{
    dirty = false;
}

void
gw_journal_retry(void)
{
    dirty = true;
}

uint64_t
gw_journal_unsaved_from(const struct gw_function *f)
{
    return f->journal != NULL ? f->journal->saved : 0;
}

void *
gw_journal_unsaved(const struct gw_function *f, size_t *len, uint64_t *to)
{
    const struct chunk *chunk;
    unsigned char *bytes;
    size_t all = 0, at = 0, n;

    for (chunk = first_chunk(f); chunk != NULL; chunk = chunk->next)
        all += chunk->number >= f->journal->saved ? sizeof chunk->head + chunk->head.len : 0;
    bytes = all > 0 ? malloc(all) : NULL;
    if (bytes == NULL)
        return NULL;
    for (chunk = first_chunk(f); chunk != NULL; chunk = chunk->next) {
        if (chunk->number < f->journal->saved)
            continue;
        n = sizeof chunk->head + chunk->head.len;
        memcpy(bytes + at, &chunk->head, sizeof chunk->head);
        memcpy(bytes + at + sizeof chunk->head, chunk->bytes, chunk->head.len);
        at += n;
    }
    *len = all;
    *to = next_number;
    return bytes;
}

void
gw_journal_saved(struct gw_function *f, uint64_t to)
{
    uint64_t lost;

    if (f->journal == NULL)
        return;
    f->journal->saved = to;
    lost = f->journal->lost;
    f->journal->lost = 0;
    if (lost > 0)
        gw_journal_say(f, 0, 2, "",
                       "%llu lines of output were lost before this: they came faster than they "
                       "could be written to the disk",
                       (unsigned long long)lost);
}
