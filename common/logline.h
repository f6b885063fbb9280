/* logline.h: a line that a function logs, on its way from the worker to the gateway:
 *   SOH, the level as a digit, the id of the call, STX, the text
 * Any other line is what the function printed. The worker writes it to its output in one
 * write. The function can write there too, so the gateway trusts no line.
 */
#ifndef COMMON_LOGLINE_H
#define COMMON_LOGLINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "limits.h"

#define LOGLINE_START  '\001'
#define LOGLINE_TEXT   '\002'
#define LOGLINE_LEVELS 4                   /* 0 to 3: hearth.h's, debug to error */
#define LOGLINE_HEAD   (LIMIT_CALL_ID + 4) /* most bytes before the text, and a NUL */

/* Writes what comes before the text, and a NUL. Returns the length; an id that is too long is
 * cut. */
static inline size_t
logline_begin(char head[LOGLINE_HEAD], int level, const char *call_id)
{
    return (size_t)snprintf(head, LOGLINE_HEAD, "%c%d%.*s%c", LOGLINE_START, level, LIMIT_CALL_ID,
                            call_id, LOGLINE_TEXT);
}

struct logline {
    int level;
    const char *id, *text; /* within the line; not ended by a NUL */
    size_t id_len, text_len;
};

/* Reads a line of n bytes, without its newline. False: it was printed, not logged. */
static inline bool
logline_parse(const char *line, size_t n, struct logline *out)
{
    const char *end =
        n > 2 && line[0] == LOGLINE_START ? memchr(line + 2, LOGLINE_TEXT, n - 2) : NULL;
    int level = n > 1 ? line[1] - '0' : -1;

    if (end == NULL || level < 0 || level >= LOGLINE_LEVELS || end - line - 2 > LIMIT_CALL_ID)
        return false;
    *out = (struct logline){.level = level,
                            .id = line + 2,
                            .id_len = (size_t)(end - line - 2),
                            .text = end + 1,
                            .text_len = n - (size_t)(end + 1 - line)};
    return true;
}

#endif
