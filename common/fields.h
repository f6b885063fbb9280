/* fields.h: which fields a function may set in a response, and what a field may look like.
 * The worker refuses what breaks this with an errno, for the function to see; the gateway
 * asks the same of every frame, since a worker may be anyone's.
 */
#ifndef COMMON_FIELDS_H
#define COMMON_FIELDS_H

#include <stdbool.h>
#include <stddef.h>

enum field_kind {
    FIELD_FREE,     /* the function's, as often as it likes */
    FIELD_PLATFORM, /* how the connection is framed, what the platform says: never */
    FIELD_LENGTH,   /* Content-Length: kept to, and sent by the platform */
    FIELD_TYPE,     /* from here on: the function's, once */
    FIELD_DATE,
};

/* Any case; the name has n letters, and need not end with a NUL. */
enum field_kind field_kind(const char *name, size_t n);

/* Takes note of a field of this kind in *seen (0 at first): false where it may stand once,
 * and did already. */
bool field_count(unsigned *seen, enum field_kind kind);
bool field_seen(unsigned seen, enum field_kind kind);

/* RFC 9110, 5.6.2: a token; and 5.5: visible characters, spaces, tabs, bytes over 127. */
bool field_name_ok(const char *name, size_t n);
bool field_value_ok(const char *value, size_t n);

#endif
