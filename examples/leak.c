/* leak.c: forgets to free what it copies: each call keeps its text. docs/memory.md shows how that
 * is found, and that no call fails of it.   GET /function/leak?text=some+words
 */
#include <hearth.h>
#include <stdlib.h>
#include <string.h>

int
hearth_handle(hearth_call *call)
{
    const char *text = hearth_query(call, "text");
    char *copy = malloc(1008);

    if (copy == NULL)
        return 1;
    strncpy(copy, text != NULL ? text : "nothing", 1007);
    copy[1007] = '\0';
    return hearth_printf(call, "%s\n", copy); /* the copy is lost here */
}
