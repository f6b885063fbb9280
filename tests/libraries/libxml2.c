/* libxml2.c: parses, asks by XPath, checks against a RELAX NG schema, reads and writes other
 * encodings, and meets an external entity and a file that are not there.
 *
 * package: libxml2-dev
 * libs: xml2
 * pkgconfig: libxml-2.0
 */
#include <hearth.h>
#include <libxml/parser.h>
#include <libxml/relaxng.h>
#include <libxml/xpath.h>
#include <stdio.h>
#include <string.h>

static void
be_quiet(void *user, const char *fmt, ...)
{
    (void)user;
    (void)fmt;
}

/* How many nodes an expression finds, and the text of the first. */
static int
ask(hearth_call *call, xmlDoc *doc, const char *expression)
{
    xmlXPathContext *context = xmlXPathNewContext(doc);
    xmlXPathObject *found = xmlXPathEvalExpression(BAD_CAST expression, context);
    int n = found != NULL && found->nodesetval != NULL ? found->nodesetval->nodeNr : 0, bad;
    xmlChar *text = n > 0 ? xmlNodeGetContent(found->nodesetval->nodeTab[0]) : NULL;

    bad = hearth_printf(call, "%s: %d %s\n", expression, n, text != NULL ? (char *)text : "-");
    xmlFree(text);
    xmlXPathFreeObject(found);
    xmlXPathFreeContext(context);
    return bad;
}

static int
validate(hearth_call *call, xmlDoc *doc)
{
    static const char schema[] =
        "<element name='list' xmlns='http://relaxng.org/ns/structure/1.0'"
        " datatypeLibrary='http://www.w3.org/2001/XMLSchema-datatypes'><oneOrMore>"
        "<element name='item'><attribute name='n'><data type='integer'/></attribute><text/>"
        "</element></oneOrMore></element>";
    xmlRelaxNGParserCtxt *parser = xmlRelaxNGNewMemParserCtxt(schema, sizeof schema - 1);
    xmlRelaxNG *compiled = xmlRelaxNGParse(parser);
    xmlRelaxNGValidCtxt *context = xmlRelaxNGNewValidCtxt(compiled);
    int valid = xmlRelaxNGValidateDoc(context, doc);

    xmlRelaxNGFreeValidCtxt(context);
    xmlRelaxNGFree(compiled);
    xmlRelaxNGFreeParserCtxt(parser);
    return hearth_printf(call, "valid: %d\n", valid == 0);
}

int
hearth_handle(hearth_call *call)
{
    static const char entity[] =
        "<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///missing/entity'>]><a>&x;</a>";
    const char *body = hearth_body(call, NULL);
    xmlChar *out = NULL;
    char source[1024];
    xmlDoc *doc;
    int n, bad;

    xmlSetGenericErrorFunc(NULL, be_quiet);
    (void)snprintf(source, sizeof source,
                   "<list><item n='1'>%s</item><item n='2'>caf\xc3\xa9</item></list>", body);
    doc = xmlReadMemory(source, (int)strlen(source), "in.xml", NULL, XML_PARSE_NOERROR);
    if (doc == NULL)
        return 1;
    bad = ask(call, doc, "//item[@n=1]") | ask(call, doc, "//item[contains(., 'caf')]");
    bad |= validate(call, doc);
    xmlDocDumpMemoryEnc(doc, &out, &n, "ISO-8859-15");
    bad |= hearth_printf(call, "ISO-8859-15: %d bytes\n", n);
    xmlFreeDoc(doc);
    doc = xmlReadMemory((char *)out, n, "in.xml", NULL, XML_PARSE_NOERROR);
    bad |= ask(call, doc, "//item[2]");
    xmlFree(out);
    xmlDocDumpMemoryEnc(doc, &out, &n, "UTF-16LE");
    bad |= hearth_printf(call, "UTF-16LE: %d bytes\n", n);
    xmlFree(out);
    xmlFreeDoc(doc);
    doc = xmlReadMemory(entity, sizeof entity - 1, "e.xml", NULL,
                        XML_PARSE_NOERROR | XML_PARSE_NONET | XML_PARSE_NOENT);
    bad |= hearth_printf(call, "external entity: %s\n", doc != NULL ? "ignored" : "error");
    xmlFreeDoc(doc);
    doc = xmlReadFile("/tmp/missing/file.xml", NULL, XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
    return bad | hearth_printf(call, "missing file: %s\n", doc != NULL ? "read" : "not read");
}
