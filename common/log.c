/* log.c: the log of the daemon. One write for each line, so that lines of several processes do not
 * mix. Control characters are replaced, so that text from outside cannot forge a line. */
#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "text.h"

static enum { TEXT, JSON, JOURNAL } log_form;
static const char *log_program = "hearth";
static enum log_level log_least = LOG_LEVEL_INFO;

void
log_open(const char *program, enum log_level least)
{
    log_program = program;
    log_least = least;
}

void
log_take_form(int argc, char **argv)
{
    static const char option[] = "--log_format=";
    static const char *const forms[] = {[TEXT] = "text", [JSON] = "json", [JOURNAL] = "journal"};

    for (int i = 1; i < argc; i++)
        for (int form = TEXT; form <= JOURNAL; form++)
            if (starts_with(argv[i], option) &&
                strcmp(argv[i] + sizeof option - 1, forms[form]) == 0)
                log_form = form;
}

bool
log_is_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    unsigned long long device, inode;
    struct stat st;

    return stream != NULL && sscanf(stream, "%llu:%llu", &device, &inode) == 2 &&
           fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device && st.st_ino == inode;
}

/* What comes before the text. */
static size_t
begin_line(enum log_level level, char *line, size_t n)
{
    static const char *const names[] = {"info", "warning", "error"};
    static const int priorities[] = {6, 4, 3}; /* syslog(3) */
    char time[TEXT_TIME];
    int64_t now = clock_wall_ms();

    if (log_form == JOURNAL)
        return (size_t)snprintf(line, n, "<%d>%s: ", priorities[level], log_program);
    return (size_t)snprintf(line, n,
                            log_form == JSON
                                ? "{\"time\":\"%s\",\"program\":\"%s\",\"level\":\"%s\","
                                  "\"message\":\""
                                : "%s %s %s: ",
                            text_time(now, time), log_program, names[level]);
}

void
log_at(enum log_level level, const char *fmt, ...)
{
    char text[1024], line[2 * sizeof text];
    size_t used;
    va_list ap;

    if (level < log_least)
        return;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    text_printable(text, false);
    used = begin_line(level, line, sizeof line);
    for (const char *at = text; *at != '\0' && used < sizeof line - 5; at++) {
        if (log_form == JSON && (*at == '"' || *at == '\\'))
            line[used++] = '\\';
        line[used++] = *at;
    }
    if (log_form == JSON)
        used += (size_t)snprintf(line + used, 3, "\"}");
    line[used++] = '\n';
    (void)!write(STDERR_FILENO, line, used);
}
