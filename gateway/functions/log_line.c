/* log_line.c: see log_line.h. */
#include "log_line.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "text.h"

static const char *const levels[OUTPUT_LEVELS] = {"debug", "info", "warning", "error"};

int
log_level_number(const char *name)
{
    for (int i = 0; i < OUTPUT_LEVELS; i++)
        if (strcmp(name, levels[i]) == 0)
            return i;
    return -1;
}

bool
log_line_wanted(const struct log_filter *filter, int64_t at_ms, const struct output_line *line)
{
    size_t n = strlen(filter->call_id);

    return at_ms >= filter->since_ms && line->level >= filter->level &&
           (n == 0 || (line->id_len == n && memcmp(line->id, filter->call_id, n) == 0));
}

char *
log_text_printable(const char *bytes, size_t n, bool is_text)
{
    char *copy = malloc(n + 1);

    if (copy == NULL)
        return NULL;
    memcpy(copy, bytes, n);
    copy[n] = '\0';
    text_printable_bytes(copy, n, is_text);
    return copy;
}

void
log_line_print(FILE *out, const struct log_chunk *chunk, const struct output_line *line)
{
    static const char *const streams[] = {
        [OUTPUT_LOG] = "log", [OUTPUT_STDOUT] = "stdout", [OUTPUT_STDERR] = "stderr"};
    cleanup_free char *message = log_text_printable(line->text, line->text_len, true);
    cleanup_free char *id = log_text_printable(line->id, line->id_len, false);
    char time[TEXT_TIME];
    json_t *json;

    if (message == NULL || id == NULL)
        return;
    json = json_pack("{s:s,s:s,s:s,s:I,s:o}", "time", text_time(chunk->at_ms, time), "level",
                     levels[line->level], "stream", streams[line->stream], "instance",
                     (json_int_t)chunk->instance, "message", json_string(message));
    if (id[0] != '\0')
        (void)json_object_set_new(json, "call_id", json_string(id));
    if (json_dumpf(json, out, JSON_COMPACT) == 0)
        (void)fputc('\n', out);
    json_decref(json);
}

size_t
log_chunk_lines(const struct log_chunk *chunk, const unsigned char *records,
                bool (*on_line)(void *user, const struct log_chunk *chunk,
                                const struct output_line *line),
                void *user)
{
    struct output_line line;
    size_t at = 0, space;

    while (at < chunk->len && (space = output_parse(records + at, chunk->len - at, &line)) > 0) {
        if (!on_line(user, chunk, &line))
            break;
        at += space;
    }
    return at;
}
