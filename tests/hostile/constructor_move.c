/* constructor_move.c: moves its memory to the addresses of the platform's filters. */
#include "attack.h"

static int got;

static __attribute__((constructor)) void
begin(void)
{
    void *own = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    got = mremap(own, 4096, 4096, MREMAP_MAYMOVE | MREMAP_FIXED, (void *)0x10000) != MAP_FAILED;
}

const char *
attack(hearth_call *call)
{
    (void)call;
    return got ? "the filters are gone" : NULL;
}
