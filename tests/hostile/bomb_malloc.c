/* bomb_malloc.c: allocates memory with malloc until it fails. */
#include "attack.h"

const char *
attack(hearth_call *call)
{
    (void)call;
    for (size_t taken = 0; taken < (size_t)1 << 30; taken += 1 << 20) {
        char *bytes = malloc(1 << 20);

        if (bytes == NULL)
            return NULL;
        memset(bytes, 1, 1 << 20);
    }
    return "it has more than its limit";
}
