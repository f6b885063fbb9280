/* fields.h: which fields a function may set in a response, and their syntax. The worker rejects an
 * invalid field with an errno; the gateway checks the fields of each frame again, since a worker
 * may be compromised.
 */
#ifndef COMMON_FIELDS_H
#define COMMON_FIELDS_H

#include <stdbool.h>
#include <stddef.h>

enum field_kind {
    FIELD_FREE,     /* set by the function, any number of times */
    FIELD_PLATFORM, /* connection framing and fields of the platform: not allowed */
    FIELD_LENGTH,   /* Content-Length: enforced, and sent by the platform */
    FIELD_TYPE,     /* from here on: set by the function, once */
    FIELD_DATE,
};

/* Case does not matter. The name has n letters, without a NUL. */
enum field_kind field_kind(const char *name, size_t n);

/* Adds a field of this kind to *seen (0 at first). False if only one is allowed, and this is the
 * second. */
bool field_count(unsigned *seen, enum field_kind kind);
bool field_seen(unsigned seen, enum field_kind kind);

/* Whether a proxy in front of the daemon obeys this field of a response, instead of passing it on:
 * nginx serves files and internal locations that X-Accel-Redirect names. */
bool field_is_for_proxy(const char *name, size_t n);

/* RFC 9110, 5.6.2: a token; and 5.5: visible characters, spaces, tabs, bytes over 127. */
bool field_name_ok(const char *name, size_t n);
bool field_value_ok(const char *value, size_t n);

#endif
