/* locales.c: time zones, the locale C.UTF-8, wide characters, and iconv to other encodings,
 * all by the files of the C library. TZ is the function's own: `env` sets it.
 *
 * env: TZ=Europe/Paris
 */
#include <errno.h>
#include <hearth.h>
#include <iconv.h>
#include <langinfo.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <wchar.h>
#include <wctype.h>

static int
print_time(hearth_call *call, const char *zone)
{
    time_t summer = 1689508800, winter = 1700000000;
    struct tm t;
    char text[64];
    int bad;

    if (zone != NULL) {
        setenv("TZ", zone, 1);
        tzset();
    }
    strftime(text, sizeof text, "%F %T %Z %z", localtime_r(&summer, &t));
    bad = hearth_printf(call, "%s: %s", zone != NULL ? zone : getenv("TZ"), text);
    strftime(text, sizeof text, "%a %d %b %H:%M %Z", localtime_r(&winter, &t));
    return bad | hearth_printf(call, ", %s\n", text);
}

static int
convert(hearth_call *call, const char *to, const char *body)
{
    iconv_t c = iconv_open(to, "UTF-8");
    char out[1024], *in = (char *)body, *at = out;
    size_t left = strlen(body), room = sizeof out, n;
    unsigned int sum = 0;

    if (c == (iconv_t)-1)
        return hearth_printf(call, "%s: %m\n", to);
    n = iconv(c, &in, &left, &at, &room);
    if (n == (size_t)-1) {
        int error = errno;

        iconv_close(c);
        return hearth_printf(call, "%s: %s\n", to, strerror(error));
    }
    iconv_close(c);
    for (char *p = out; p < at; p++)
        sum = sum * 31 + (unsigned char)*p;
    return hearth_printf(call, "%s: %td bytes %08x, %zu changed\n", to, at - out, sum, n);
}

int
hearth_handle(hearth_call *call)
{
    static const char *const zones[] = {"Europe/Paris", "America/New_York",  "Asia/Kolkata",
                                        "UTC",          ":Pacific/Auckland", "EST5EDT"};
    static const char *const charsets[] = {
        "UTF-16", "UTF-32LE", "ISO-8859-1", "ISO-8859-1//TRANSLIT", "ASCII//TRANSLIT", "CP1252",
        "EUC-JP", "KOI8-R",   "NONE"};
    const char *body = hearth_body(call, NULL);
    wchar_t wide[256];
    char *name;
    size_t n;
    int bad = 0;

    if (getenv("TZ") != NULL)
        bad |= print_time(call, NULL);
    for (size_t i = 0; i < sizeof zones / sizeof zones[0]; i++)
        bad |= print_time(call, zones[i]);
    setenv("TZ", "Europe/Paris", 1);
    bad |= hearth_printf(call, "before: %s %s\n", setlocale(LC_ALL, NULL), nl_langinfo(CODESET));
    name = setlocale(LC_ALL, "C.UTF-8");
    bad |= hearth_printf(call, "locale: %s %s\n", name != NULL ? name : "missing",
                         nl_langinfo(CODESET));
    n = mbstowcs(wide, body, 256);
    bad |= hearth_printf(call, "wide: %zd", (ssize_t)n);
    if (n != (size_t)-1) {
        for (size_t i = 0; i < n; i++)
            wide[i] = (wchar_t)towupper((wint_t)wide[i]);
        bad |= hearth_printf(call, " %ls", wide);
    }
    for (size_t i = 0; i < sizeof charsets / sizeof charsets[0]; i++)
        bad |= (i == 0 ? hearth_printf(call, "\n") : 0) | convert(call, charsets[i], body);
    setlocale(LC_ALL, "C");
    bad |= convert(call, "ASCII//TRANSLIT", body);
    name = setlocale(LC_ALL, "xx_XX.UTF-8");
    return bad | hearth_printf(call, "no such locale: %s\n", name != NULL ? name : "missing");
}
