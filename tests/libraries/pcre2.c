/* pcre2.c: PCRE2 interpreted, and with its compiler to machine code, which falls back where
 * executable memory is refused.
 *
 * package: libpcre2-dev
 * libs: pcre2-8
 * pkgconfig: libpcre2-8
 * expect: jit: refused
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <hearth.h>
#include <pcre2.h>
#include <stdbool.h>
#include <string.h>

/* All matches of a pattern in the text. */
static int
find(hearth_call *call, const char *pattern, bool jit, const char *text)
{
    pcre2_match_data *match;
    size_t at, n = strlen(text), *ends;
    pcre2_code *code;
    int error, count = 0, bad = 0, compiled = PCRE2_ERROR_JIT_BADOPTION;

    code = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED,
                         PCRE2_UTF | PCRE2_UCP | PCRE2_CASELESS, &error, &at, NULL);
    if (code == NULL)
        return hearth_printf(call, "pattern error %d at %zu\n", error, at);
    if (jit) {
        compiled = pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);
        bad |= hearth_printf(call, "jit: %s\n", compiled == 0 ? "compiled" : "refused");
    }
    match = pcre2_match_data_create_from_pattern(code, NULL);
    for (at = 0; pcre2_match(code, (PCRE2_SPTR)text, n, at, 0, match, NULL) > 0; at = ends[1]) {
        ends = pcre2_get_ovector_pointer(match);
        bad |= hearth_printf(call, "%s%.*s", count++ == 0 ? "matches: " : ",",
                             (int)(ends[1] - ends[0]), text + ends[0]);
    }
    pcre2_match_data_free(match);
    pcre2_code_free(code);
    return bad | hearth_printf(call, "\n%s: %d\n", pattern, count);
}

int
hearth_handle(hearth_call *call)
{
    static const char *const patterns[] = {"\\b\\w{5}\\b",   "(?<=q)u\\w+", "\\p{Lu}\\p{Ll}+",
                                           "(\\w)(?=.*\\1)", "ß|ö",         "(("};
    const char *body = hearth_body(call, NULL);
    int bad = 0;

    for (size_t i = 0; i < sizeof patterns / sizeof patterns[0]; i++)
        bad |= find(call, patterns[i], false, body) | find(call, patterns[i], true, body);
    return bad;
}
