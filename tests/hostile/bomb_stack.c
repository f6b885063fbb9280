/* bomb_stack.c: recurses without end. */
#include "attack.h"

static int
deeper(volatile char *above, size_t depth)
{
    volatile char here[4096];

    here[0] = (char)(above[0] + 1);
    return depth > (size_t)1 << 20 ? 1 : deeper(here, depth + 1) + here[0];
}

const char *
attack(hearth_call *call)
{
    volatile char first = 0;

    (void)call;
    return deeper(&first, 0) != 0 ? "its stack has no end" : "its stack has no end";
}
