/* bomb_shared.c: allocates shared anonymous memory, which the kernel treats as a file in memory. */
#include "attack.h"

const char *
attack(hearth_call *call)
{
    size_t n = (size_t)1 << 30;
    char *bytes = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    (void)call;
    if (bytes == MAP_FAILED)
        return NULL;
    for (size_t at = 0; at < n; at += 4096)
        bytes[at] = 1;
    return "it has more than its limit";
}
