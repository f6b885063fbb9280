/* arena.c: sorts the lines of the body. Every piece comes from the call's arena (hearth_alloc),
 * which goes in one step when the call ends: there is nothing to free, also where it fails half
 * way.
 *
 *   curl --data-binary @FILE localhost:8080/function/arena
 */
#include <hearth.h>
#include <stdlib.h>
#include <string.h>

static int
by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

int
hearth_handle(hearth_call *call)
{
    size_t len, count = 0, n = 0;
    const char *body = hearth_body(call, &len);
    const char *end = body != NULL ? body + len : NULL;
    char **lines;

    if (body == NULL)
        return 1;
    for (size_t i = 0; i < len; i++)
        count += body[i] == '\n';
    lines = hearth_alloc(call, (count + 1) * sizeof *lines);
    for (const char *at = body; lines != NULL && at < end; n++) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        size_t size = (size_t)((newline != NULL ? newline : end) - at);

        lines[n] = hearth_alloc(call, size + 1);
        if (lines[n] == NULL)
            return 1;
        memcpy(lines[n], at, size);
        lines[n][size] = '\0';
        at += size + 1;
    }
    if (lines == NULL)
        return 1;
    qsort(lines, n, sizeof *lines, by_text);
    for (size_t i = 0; i < n; i++)
        if (hearth_printf(call, "%s\n", lines[i]) != 0)
            return 1;
    return 0;
}
