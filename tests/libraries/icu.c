/* icu.c: ICU's collation, case mapping, normalization, number and date formats of several
 * languages, and time zones. Its data are in its library.
 *
 * package: libicu-dev
 * libs: icui18n icuuc icudata
 * pkgconfig: icu-i18n
 * settings: memory=128M
 */
#include <hearth.h>
#include <string.h>
#include <unicode/ucol.h>
#include <unicode/udat.h>
#include <unicode/unorm2.h>
#include <unicode/unum.h>
#include <unicode/ustring.h>

static int
print(hearth_call *call, const char *name, const UChar *text)
{
    UErrorCode status = U_ZERO_ERROR;
    char out[1024];

    u_strToUTF8(out, sizeof out, NULL, text, -1, &status);
    return hearth_printf(call, "%s: %s\n", name, U_SUCCESS(status) ? out : u_errorName(status));
}

static int
format(hearth_call *call, const char *locale)
{
    static const UChar paris[] = u"Europe/Paris";
    UErrorCode status = U_ZERO_ERROR;
    UNumberFormat *number = unum_open(UNUM_CURRENCY, NULL, 0, locale, NULL, &status);
    UDateFormat *date = udat_open(UDAT_FULL, UDAT_FULL, locale, paris, -1, NULL, 0, &status);
    UChar text[256];
    int bad;

    unum_formatDouble(number, 1234567.891, text, 256, NULL, &status);
    bad = print(call, locale, text);
    udat_format(date, 1700000000000.0, text, 256, NULL, &status);
    bad |= print(call, locale, text);
    unum_close(number);
    udat_close(date);
    return bad | (U_FAILURE(status) ? hearth_printf(call, "%s\n", u_errorName(status)) : 0);
}

int
hearth_handle(hearth_call *call)
{
    const char *body = hearth_body(call, NULL);
    UErrorCode status = U_ZERO_ERROR;
    UChar text[512], other[512];
    UCollator *collator;
    int bad;

    u_strFromUTF8(text, 512, NULL, body, -1, &status);
    u_strToUpper(other, 512, text, -1, "tr", &status);
    bad = print(call, "upper", other);
    unorm2_normalize(unorm2_getNFDInstance(&status), text, -1, other, 512, &status);
    bad |= hearth_printf(call, "decomposed: %d of %d\n", u_strlen(other), u_strlen(text));
    collator = ucol_open("sv", &status);
    bad |= hearth_printf(call, "swedish: %d", ucol_strcoll(collator, u"z", -1, u"ö", -1));
    ucol_close(collator);
    collator = ucol_open("de", &status);
    bad |= hearth_printf(call, " german: %d\n", ucol_strcoll(collator, u"z", -1, u"ö", -1));
    ucol_close(collator);
    bad |= format(call, "en_US") | format(call, "de_DE") | format(call, "fr_FR");
    bad |= format(call, "ja_JP") | format(call, "ar_EG");
    return bad | hearth_printf(call, "status: %s\n", u_errorName(status));
}
