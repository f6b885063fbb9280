/* init_alias.c: maps the same memory twice, to write it under one address and execute it under
 * the other. */
#include "attack.h"

static void *alias = MAP_FAILED;

int
hearth_init(void)
{
    void *own = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    alias = mremap(own, 0, 4096, MREMAP_MAYMOVE);
    return 0;
}

const char *
attack(hearth_call *call)
{
    (void)call;
    return alias != MAP_FAILED ? "it has an alias" : NULL;
}
