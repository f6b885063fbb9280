/* log.h: the log of the daemon, on standard error: a line for each event, as text, as a JSON
 * object, or with the priority that the journal expects (sd-daemon(3)). Every program of Hearth
 * calls log_open once with its own name. */
#ifndef COMMON_LOG_H
#define COMMON_LOG_H

#include <stdbool.h>

enum log_level { LOG_LEVEL_INFO, LOG_LEVEL_WARNING, LOG_LEVEL_ERROR };

void log_open(const char *program, enum log_level least);
/* Takes the form from an argument "--log_format=text", "json" or "journal", if there is one. */
void log_take_form(int argc, char **argv);
/* Whether standard error is the journal (systemd.exec(5), JOURNAL_STREAM). */
bool log_is_journal(void);
void log_at(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define log_info(...)    log_at(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_warning(...) log_at(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_error(...)   log_at(LOG_LEVEL_ERROR, __VA_ARGS__)

#endif
