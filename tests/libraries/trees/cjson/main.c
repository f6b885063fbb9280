/* main.c: cJSON from its source tree, with all that it has beside: tests, fuzzers, dot files. */
#include "cJSON_Utils.h"

#include <hearth.h>
#include <stdlib.h>

int
hearth_handle(hearth_call *call)
{
    cJSON *document = cJSON_CreateObject(), *patch, *found;
    char *text;
    int bad;

    cJSON_AddStringToObject(document, "body", hearth_body(call, NULL));
    cJSON_AddItemToObject(document, "list", cJSON_Parse("[1, 2.5, {\"deep\": [true, null]}]"));
    patch = cJSON_Parse("[{\"op\": \"add\", \"path\": \"/list/1\", \"value\": \"new\"},"
                        " {\"op\": \"remove\", \"path\": \"/list/3/deep/0\"}]");
    bad = hearth_printf(call, "patched: %d\n", cJSONUtils_ApplyPatches(document, patch));
    found = cJSONUtils_GetPointer(document, "/list/3/deep");
    bad |= hearth_printf(call, "found: %d\n", cJSON_GetArraySize(found));
    text = cJSON_Print(document);
    bad |= hearth_printf(call, "%s\n", text);
    cJSON_free(text);
    bad |= hearth_printf(call, "broken: %s\n", cJSON_Parse("[1, 2") == NULL ? "refused" : "taken");
    cJSON_Delete(patch);
    cJSON_Delete(document);
    return bad;
}
