/* expat.c: a parser of events: elements, text in another encoding, and the place of an error.
 *
 * package: libexpat1-dev
 * libs: expat
 * pkgconfig: expat
 */
#include <expat.h>
#include <hearth.h>
#include <stdio.h>
#include <string.h>

static void
on_start(void *user, const char *name, const char **attributes)
{
    hearth_printf(user, "<%s", name);
    for (; attributes[0] != NULL; attributes += 2)
        hearth_printf(user, " %s=%s", attributes[0], attributes[1]);
    hearth_printf(user, ">");
}

static void
on_end(void *user, const char *name)
{
    hearth_printf(user, "</%s>", name);
}

static void
on_text(void *user, const char *text, int n)
{
    hearth_printf(user, "[%.*s]", n, text);
}

static int
parse(hearth_call *call, const char *source, const char *encoding)
{
    XML_Parser p = XML_ParserCreate(encoding);
    int bad;

    if (p == NULL)
        return 1;
    XML_SetUserData(p, call);
    XML_SetElementHandler(p, on_start, on_end);
    XML_SetCharacterDataHandler(p, on_text);
    if (XML_Parse(p, source, (int)strlen(source), 1) == XML_STATUS_OK)
        bad = hearth_printf(call, "\n");
    else
        bad = hearth_printf(call, "\n%s at %lu:%lu\n", XML_ErrorString(XML_GetErrorCode(p)),
                            XML_GetCurrentLineNumber(p), XML_GetCurrentColumnNumber(p));
    XML_ParserFree(p);
    return bad;
}

int
hearth_handle(hearth_call *call)
{
    char source[1024];

    (void)snprintf(source, sizeof source, "<a n='1'><b>%s</b><c/>&amp;&#233;</a>",
                   (const char *)hearth_body(call, NULL));
    return parse(call, source, NULL) | parse(call, "<a>caf\xe9</a>", "ISO-8859-1") |
           parse(call, "<a>\n<b></a>", NULL);
}
