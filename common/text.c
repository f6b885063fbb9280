/* text.c: text from outside made fit to be shown: see text.h. */
#include "text.h"

#include <stdint.h>
#include <string.h>

/* Bytes of the UTF-8 sequence that begins here, of which n are there; 0: it is none. */
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

void
text_printable_bytes(char *bytes, size_t n, bool keep_tabs)
{
    unsigned char *at = (unsigned char *)bytes;

    for (size_t i = 0; i < n;) {
        size_t len = at[i] < 0x80 ? 1 : sequence(at + i, n - i);

        if (len == 0 ||
            (len == 1 && (at[i] < 0x20 || at[i] == 0x7f) && !(keep_tabs && at[i] == '\t'))) {
            at[i] = '?';
            len = 1;
        }
        i += len;
    }
}

void
text_printable(char *text, bool keep_tabs)
{
    text_printable_bytes(text, strlen(text), keep_tabs);
}
