/* unistring.c: libunistring's words, case mapping, normalization and widths.
 *
 * package: libunistring-dev
 * libs: unistring
 */
#include <hearth.h>
#include <stdlib.h>
#include <unicase.h>
#include <uninorm.h>
#include <unistr.h>
#include <uniwbrk.h>
#include <uniwidth.h>

int
hearth_handle(hearth_call *call)
{
    size_t n, len, breaks = 0;
    const uint8_t *body = hearth_body(call, &n);
    char *marks = hearth_alloc(call, n + 1);
    uint8_t *text;
    int bad;

    if (marks == NULL || u8_check(body, n) != NULL)
        return 1;
    u8_wordbreaks(body, n, marks);
    for (size_t i = 0; i < n; i++)
        breaks += marks[i] != 0;
    bad = hearth_printf(call, "characters %zu breaks %zu width %d\n", u8_mbsnlen(body, n), breaks,
                        u8_width(body, n, "UTF-8"));
    text = u8_toupper(body, n, "de", NULL, NULL, &len);
    bad |= hearth_printf(call, "upper: %.*s\n", (int)len, text);
    free(text);
    text = u8_casefold(body, n, NULL, UNINORM_NFD, NULL, &len);
    bad |= hearth_printf(call, "folded: %zu bytes %.*s\n", len, (int)len, text);
    free(text);
    return bad | hearth_printf(call, "language: %s\n", uc_locale_language());
}
