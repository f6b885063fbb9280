/* malloc.c: does nothing but allocate and free a thousand small blocks. */
#include <hearth.h>
#include <stdlib.h>
#include <string.h>

static void *volatile blocks[1000];

int
hearth_handle(hearth_call *call)
{
    for (int i = 0; i < 1000; i++) {
        blocks[i] = malloc(16 + (size_t)i % 200);
        if (blocks[i] != NULL)
            memset(blocks[i], 1, 16);
    }
    for (int i = 0; i < 1000; i++)
        free(blocks[i]);
    return hearth_printf(call, "freed");
}
