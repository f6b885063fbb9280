/* log.c: the log of the daemon. One write for each line, so that lines of several processes do not
 * mix. Control characters are replaced, so that text from outside cannot forge a line. */
#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "text.h"

static const char *log_program = "hearth";
static enum log_level log_least = LOG_LEVEL_INFO;

void
log_open(const char *program, enum log_level least)
{
    log_program = program;
    log_least = least;
}

void
log_at(enum log_level level, const char *fmt, ...)
{
    static const char *const names[] = {"info", "warning", "error"};
    char line[1024];
    char time[TEXT_TIME];
    size_t used, end;
    va_list ap;

    if (level < log_least)
        return;
    used = (size_t)snprintf(line, sizeof line, "%s %s %s: ", text_time(clock_wall_ms(), time),
                            log_program, names[level]);
    va_start(ap, fmt);
    (void)vsnprintf(line + used, sizeof line - used - 1, fmt, ap);
    va_end(ap);
    text_printable(line + used, false);
    end = strlen(line);
    line[end++] = '\n';
    (void)!write(STDERR_FILENO, line, end);
}
