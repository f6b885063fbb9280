/* text.h: text from outside that is to be shown: in answers, in logs, in a terminal. */
#ifndef COMMON_TEXT_H
#define COMMON_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* Replaces what cannot be shown by '?', in place, byte for byte: control characters (DEL and
 * those of Unicode's C1 set too, which a terminal obeys) and bytes that are no UTF-8 (RFC
 * 3629: no overlong forms, no surrogates, nothing over U+10FFFF). All other text stays as it
 * is. keep_tabs: a tab may stay. */
void text_printable(char *text, bool keep_tabs);
/* The same for n bytes that need not be ended by a NUL, and of which none is special. */
void text_printable_bytes(char *bytes, size_t n, bool keep_tabs);

#endif
