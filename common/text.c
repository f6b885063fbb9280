/* text.c: makes text from outside printable. */
#include "text.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* Bytes of the UTF-8 sequence that begins here, of at most n; 0: it is not valid. */
static size_t
sequence(const unsigned char *at, size_t n)
{
    static const struct {
        unsigned char mask, lead;
        uint32_t least; /* a smaller one has a shorter form */
    } forms[] = {{0xe0, 0xc0, 0x80}, {0xf0, 0xe0, 0x800}, {0xf8, 0xf0, 0x10000}};

    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        size_t len = i + 2;
        uint32_t point = at[0] & (unsigned char)~forms[i].mask;

        if ((at[0] & forms[i].mask) != forms[i].lead)
            continue;
        if (n < len)
            return 0;
        for (size_t k = 1; k < len; k++) {
            if ((at[k] & 0xc0) != 0x80)
                return 0;
            point = point << 6 | (at[k] & 0x3f);
        }
        if (point < forms[i].least || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff) ||
            point < 0xa0)
            return 0;
        return len;
    }
    return 0;
}

/* Bytes of the character that begins here and can be shown; 0: it cannot. */
static size_t
shown(const unsigned char *at, size_t n, bool keep_tabs)
{
    size_t len = at[0] < 0x80 ? 1 : sequence(at, n);

    if (len == 1 && (at[0] < 0x20 || at[0] == 0x7f) && !(keep_tabs && at[0] == '\t'))
        return 0;
    return len;
}

void
text_printable_bytes(char *bytes, size_t n, bool keep_tabs)
{
    unsigned char *at = (unsigned char *)bytes;

    for (size_t i = 0; i < n;) {
        size_t len = shown(at + i, n - i, keep_tabs);

        if (len == 0) {
            at[i] = '?';
            len = 1;
        }
        i += len;
    }
}

bool
text_is_printable(const char *text)
{
    const unsigned char *at = (const unsigned char *)text;
    size_t n = strlen(text);

    for (size_t i = 0, len; i < n; i += len)
        if ((len = shown(at + i, n - i, false)) == 0)
            return false;
    return true;
}

void
text_printable(char *text, bool keep_tabs)
{
    text_printable_bytes(text, strlen(text), keep_tabs);
}

const char *
text_time(int64_t ms, char text[TEXT_TIME])
{
    time_t seconds = ms / 1000;
    struct tm tm;
    size_t n = strftime(text, TEXT_TIME, "%Y-%m-%dT%H:%M:%S", gmtime_r(&seconds, &tm));

    (void)snprintf(text + n, TEXT_TIME - n, ".%03dZ", (int)(ms % 1000));
    return text;
}

/* "Z", "+02:00" or "-05:30" as minutes east of Greenwich. */
static bool
parse_zone(const char *text, int *minutes)
{
    unsigned h, m;
    int end = 0;

    *minutes = 0;
    if (strcmp(text, "Z") == 0 || strcmp(text, "z") == 0)
        return true;
    if ((text[0] != '+' && text[0] != '-') || strlen(text) != 6 ||
        sscanf(text + 1, "%2u:%2u%n", &h, &m, &end) != 2 || end != 5 || h > 23 || m > 59)
        return false;
    *minutes = (int)(h * 60 + m) * (text[0] == '-' ? -1 : 1);
    return true;
}

bool
text_time_parse(const char *text, int64_t *ms)
{
    struct tm tm = {0};
    const char *at = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
    int64_t fraction = 0, unit = 100;
    int minutes;

    if (at == NULL)
        return false;
    if (*at == '.') {
        for (at++; *at >= '0' && *at <= '9'; at++, unit /= 10)
            fraction += (*at - '0') * unit;
    }
    if (!parse_zone(at, &minutes))
        return false;
    *ms = ((int64_t)timegm(&tm) - minutes * 60) * 1000 + fraction;
    return true;
}

#define NAME_MOST 48

/* Damerau and Levenshtein's distance, of neighbours that are exchanged at most once. */
static unsigned
distance(const char *a, const char *b)
{
    unsigned rows[3][NAME_MOST + 1];
    size_t n = strlen(a), m = strlen(b);

    if (n > NAME_MOST || m > NAME_MOST)
        return NAME_MOST;
    for (size_t j = 0; j <= m; j++)
        rows[0][j] = (unsigned)j;
    for (size_t i = 1; i <= n; i++) {
        unsigned *row = rows[i % 3], *above = rows[(i + 2) % 3], *before = rows[(i + 1) % 3];

        row[0] = (unsigned)i;
        for (size_t j = 1; j <= m; j++) {
            unsigned best = above[j - 1] + (a[i - 1] != b[j - 1]);

            best = above[j] + 1 < best ? above[j] + 1 : best;
            best = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                before[j - 2] + 1 < best)
                best = before[j - 2] + 1;
            row[j] = best;
        }
    }
    return rows[n % 3][m];
}

const char *
text_nearest(const char *given, const char *const *names)
{
    unsigned least = strlen(given) > 4 ? 3 : 2;
    const char *nearest = NULL;

    for (; *names != NULL; names++) {
        unsigned d = distance(given, *names);

        if (d < least) {
            least = d;
            nearest = *names;
        }
    }
    return nearest;
}
