/* bomb_descriptors.c: opens descriptors without end, with dup and pipe2 allowed by its operator. */
#include "attack.h"

const char *
attack(hearth_call *call)
{
    int pair[2], made = 0;

    (void)call;
    while (made < 100000 && syscall(SYS_pipe2, pair, 0) == 0)
        made += 2;
    while (made < 100000 && syscall(SYS_dup, 0) >= 0)
        made++;
    return made > 256 ? "it has more than 256 descriptors" : NULL;
}
