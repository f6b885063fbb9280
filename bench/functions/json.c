/* json.c: builds, prints and reads a list of a hundred JSON objects: a call that allocates. */
#include <hearth.h>
#include <jansson.h>
#include <stdlib.h>

int
hearth_handle(hearth_call *call)
{
    json_t *list = json_array();
    char *text;
    int n;

    for (int i = 0; i < 100; i++)
        (void)json_array_append_new(
            list, json_pack("{s:i,s:s,s:f}", "id", i, "name", "somebody", "value", i / 3.0));
    text = json_dumps(list, 0);
    json_decref(list);
    list = text != NULL ? json_loads(text, 0, NULL) : NULL;
    free(text);
    n = (int)json_array_size(list);
    json_decref(list);
    return hearth_printf(call, "%d", n);
}
