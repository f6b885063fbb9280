/* jansson.c: builds, prints, parses and changes JSON, and says where an error is.
 *
 * package: libjansson-dev
 * libs: jansson
 * pkgconfig: jansson
 */
#include <hearth.h>
#include <jansson.h>
#include <stdlib.h>

int
hearth_handle(hearth_call *call)
{
    const char *body = hearth_body(call, NULL);
    json_t *root = json_pack("{s:s,s:[i,f,b,n],s:{s:I}}", "body", body, "list", 1, 2.5, 1, "in",
                             "large", (json_int_t)1 << 62);
    json_t *again;
    json_error_t error;
    char *text;
    int bad;

    if (root == NULL)
        return 1;
    text = json_dumps(root, JSON_SORT_KEYS | JSON_INDENT(2) | JSON_ENSURE_ASCII);
    bad = hearth_printf(call, "%s\n", text);
    again = json_loads(text, 0, &error);
    bad |= hearth_printf(call, "equal: %d\n", json_equal(root, again));
    json_decref(again);
    free(text);
    json_decref(root);
    again = json_loads("{\"a\": [1, 2,, 3]}", 0, &error);
    bad |= hearth_printf(call, "error: %s at %d:%d\n", error.text, error.line, error.column);
    json_decref(again);
    again = json_load_file("/missing/file.json", 0, &error);
    bad |= hearth_printf(call, "missing: %s\n", error.text);
    json_decref(again);
    return bad;
}
