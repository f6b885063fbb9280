/* text.h: small helpers for text; above all, text from outside that is to be shown: in answers, in
 * logs, in a terminal. */
#ifndef COMMON_TEXT_H
#define COMMON_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Replaces each byte that is not printable by '?', in place: control characters (also DEL and the
 * C1 set of Unicode, which terminals obey) and bytes that are not valid UTF-8 (RFC 3629: no
 * overlong forms, no surrogates, nothing over U+10FFFF). Other text is unchanged. keep_tabs: tabs
 * stay. */
void text_printable(char *text, bool keep_tabs);
/* The same for n bytes; a NUL is a byte like any other. */
void text_printable_bytes(char *bytes, size_t n, bool keep_tabs);

/* Whether text_printable (without tabs) would leave it as it is. */
bool text_is_printable(const char *text);

#define TEXT_TIME 40 /* bytes for text_time */

/* Milliseconds since 1970 as "2026-11-27T19:24:24.445Z" (RFC 3339), into text. Returns text. */
const char *text_time(int64_t ms, char text[TEXT_TIME]);

/* The other way: also without the fraction, and with "+02:00" instead of "Z". False: it is none. */
bool text_time_parse(const char *text, int64_t *ms);

/* The name that a mistyped one is nearest to: one or two letters are wrong, missing, too many or
 * exchanged. NULL if there is none like it. names: NULL at the end. */
const char *text_nearest(const char *given, const char *const *names);

static inline bool
starts_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

#endif
