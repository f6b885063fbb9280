/* init_alias.c: maps the same memory twice, to write it under one address and execute it under
 * the other. */
#include "attack.h"

int
hearth_init(void)
{
    void *own = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    (void)mremap(own, 0, 4096, MREMAP_MAYMOVE);
    return 0;
}

const char *
attack(hearth_call *call)
{
    (void)call;
    return "it has an alias";
}
