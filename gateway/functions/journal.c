/* journal.c: the last lines of each function's log, in memory: what the function
 * printed, and what it said with hearth_log. Bounded in lines and so in bytes. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cleanup.h"
#include "functions/function.h"
#include "text.h"

#define JOURNAL_LINES 512

struct line {
    int64_t at_ms; /* since 1970 */
    uint64_t instance;
    char *text; /* call id, NUL, message, NUL */
    int level;
};

struct gw_journal {
    struct line lines[JOURNAL_LINES];
    uint64_t written;
};

static const char *const level_names[] = {"debug", "info", "warning", "error"};

/* A line of hearth_log begins with SOH, the level, the call's id, STX; any other
 * was printed. The text comes from the function: it is taken as bytes. */
static bool
split(const char *line, size_t n, int *level, const char **id, size_t *id_len, const char **text)
{
    const char *stx = n > 2 && line[0] == '\001' ? memchr(line, '\002', n) : NULL;

    if (stx == NULL || line[1] < '0' || line[1] > '3' || stx - line - 2 > LIMIT_CALL_ID)
        return false;
    *level = line[1] - '0';
    *id = line + 2;
    *id_len = (size_t)(stx - line - 2);
    *text = stx + 1;
    return true;
}

void
gw_journal_add(struct gw_function *f, uint64_t instance, const char *line, size_t n)
{
    struct timespec now;
    const char *id = "", *text = line;
    size_t id_len = 0;
    int level = 1;
    struct line *slot;

    if (f->journal == NULL && (f->journal = calloc(1, sizeof *f->journal)) == NULL)
        return;
    (void)split(line, n, &level, &id, &id_len, &text);
    n -= (size_t)(text - line);
    if (n > LIMIT_LOG_LINE)
        n = LIMIT_LOG_LINE;
    slot = &f->journal->lines[f->journal->written % JOURNAL_LINES];
    free(slot->text);
    slot->text = malloc(id_len + n + 2);
    if (slot->text == NULL)
        return;
    memcpy(slot->text, id, id_len);
    slot->text[id_len] = '\0';
    memcpy(slot->text + id_len + 1, text, n);
    slot->text[id_len + 1 + n] = '\0';
    text_printable_bytes(slot->text, id_len, false);
    text_printable_bytes(slot->text + id_len + 1, n, true);
    (void)clock_gettime(CLOCK_REALTIME, &now);
    slot->at_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
    slot->instance = instance;
    slot->level = level;
    f->journal->written++;
}

static char *
line_json(const struct line *line)
{
    const char *message = line->text + strlen(line->text) + 1;
    time_t seconds = line->at_ms / 1000;
    char time[40];
    struct tm tm;
    json_t *json;
    char *text;

    (void)gmtime_r(&seconds, &tm);
    (void)snprintf(time + strftime(time, sizeof time, "%Y-%m-%dT%H:%M:%S", &tm), 8, ".%03dZ",
                   (int)(line->at_ms % 1000));
    json = json_pack("{s:s,s:s,s:I,s:o}", "time", time, "level", level_names[line->level],
                     "instance", (json_int_t)line->instance, "message", json_string(message));
    if (line->text[0] != '\0')
        (void)json_object_set_new(json, "call_id", json_string(line->text));
    text = json_dumps(json, JSON_COMPACT);
    json_decref(json);
    return text;
}

char *
gw_journal_tail(const struct gw_function *f, uint64_t instance, unsigned lines)
{
    const struct gw_journal *journal = f->journal;
    uint64_t written = journal != NULL ? journal->written : 0, at = written;
    uint64_t oldest = written < JOURNAL_LINES ? 0 : written - JOURNAL_LINES;
    char *all = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&all, &len);

    if (out == NULL)
        return NULL;
    while (at > oldest && lines > 0)
        lines -= journal->lines[--at % JOURNAL_LINES].instance == instance;
    for (; at < written; at++) {
        const struct line *line = &journal->lines[at % JOURNAL_LINES];

        if (line->instance == instance && line->text != NULL)
            (void)fprintf(out, "%s\n", line->text + strlen(line->text) + 1);
    }
    if (fclose(out) != 0) {
        free(all);
        return NULL;
    }
    return all;
}

char *
gw_journal_text(const struct gw_function *f, unsigned lines, size_t *len)
{
    const struct gw_journal *journal = f->journal;
    uint64_t written = journal != NULL ? journal->written : 0;
    uint64_t there = written < JOURNAL_LINES ? written : JOURNAL_LINES;
    char *all = NULL;
    FILE *out = open_memstream(&all, len);

    if (out == NULL)
        return NULL;
    if (lines < there)
        there = lines;
    for (uint64_t i = written - there; i < written; i++) {
        cleanup_free char *text = line_json(&journal->lines[i % JOURNAL_LINES]);

        if (text != NULL)
            (void)fprintf(out, "%s\n", text);
    }
    if (fclose(out) != 0) {
        free(all);
        return NULL;
    }
    return all;
}

void
gw_journal_free(struct gw_journal *journal)
{
    if (journal == NULL)
        return;
    for (int i = 0; i < JOURNAL_LINES; i++)
        free(journal->lines[i].text);
    free(journal);
}
