/* stale_memory.c: looks for data that others left in memory: fresh pages, its heap, its stack. The
 * neighbour's secret is encoded here, so that this file does not contain it. */
#include "attack.h"

static int
holds_secret(const char *bytes, size_t n)
{
    char secret[24] = "kaqbkmxs-oh-sgd-mdhfg";

    for (char *p = secret; *p != '\0'; p++)
        if (*p != '-')
            *p = (char)(*p + 1);
    return memmem(bytes, n, secret, strlen(secret)) != NULL;
}

const char *
attack(hearth_call *call)
{
    size_t n = 6 << 20;
    char *fresh = malloc(n), local[65536];

    (void)call;
    __asm__ volatile("" : "=m"(local));
    if (fresh != NULL && holds_secret(fresh, n))
        return "fresh memory holds a neighbour's secret";
    return holds_secret(local, sizeof local) ? "the stack holds a neighbour's secret" : NULL;
}
