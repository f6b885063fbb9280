/* bomb_mmap.c: allocates memory with mmap, one page at a time. */
#include "attack.h"

const char *
attack(hearth_call *call)
{
    size_t n = (size_t)1 << 30;
    char *bytes =
        mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    (void)call;
    if (bytes == MAP_FAILED)
        return NULL;
    for (size_t at = 0; at < n; at += 4096)
        bytes[at] = 1;
    return "it has more than its limit";
}
