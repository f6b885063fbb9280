/* constructor_move.c: moves memory of its own to where the platform's filters are. */
#include "attack.h"

static __attribute__((constructor)) void
begin(void)
{
    void *own = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    (void)mremap(own, 4096, 4096, MREMAP_MAYMOVE | MREMAP_FIXED, (void *)0x10000);
}

const char *
attack(hearth_call *call)
{
    (void)call;
    return "the filters are gone";
}
