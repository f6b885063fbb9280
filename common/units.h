/* units.h: sizes and times as people write them. */
#ifndef COMMON_UNITS_H
#define COMMON_UNITS_H

#include <stddef.h>
#include <stdint.h>

/* "512K", "64M", "1G" or plain bytes; binary multiples. 0, or -EINVAL if the
 * text is not a size, -ERANGE if it is over 2^63-1. Written on success only. */
int units_parse_size(const char *text, int64_t *bytes);

/* "250ms", "5s", "1.5s", "2m", "1h"; "0" alone needs no unit. Errors as above; also
 * -EINVAL if the unit is missing or the time is not a whole number of milliseconds. */
#define UNITS_TIME_FORM "written 250ms, 5s, 1.5s, 2m or 1h"
#define UNITS_SIZE_FORM "written 512K, 64M, 1G or in bytes"
int units_parse_time(const char *text, int64_t *ms);

/* The shortest exact form: 67108864 gives "64M". Returns buf. */
const char *units_format_size(int64_t bytes, char *buf, size_t n);
/* The same of a time: 120000 gives "2m". */
const char *units_format_time(int64_t ms, char *buf, size_t n);

#endif
