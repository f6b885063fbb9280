/* dup_over.c: puts its output in the place of every other descriptor, bells included. */
#include "attack.h"

const char *
attack(hearth_call *call)
{
    (void)call;
    for (int fd = 3; fd < 80; fd++)
        (void)syscall(SYS_dup3, 1, fd, 0);
    return NULL;
}
