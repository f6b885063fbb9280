/* bomb_vmas.c: makes mappings without end. Each one costs the kernel a record, and no page. */
#include "attack.h"

const char *
attack(hearth_call *call)
{
    size_t made = 0;

    (void)call;
    for (; made < 2000000; made++)
        if (mmap(NULL, 4096, made % 2 ? PROT_READ : PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                 0) == MAP_FAILED)
            return NULL;
    return "the kernel holds two million mappings for it";
}
