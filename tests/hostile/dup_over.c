/* dup_over.c: replaces every other descriptor, including the eventfds, by its output. */
#include "attack.h"

const char *
attack(hearth_call *call)
{
    (void)call;
    for (int fd = 3; fd < 128; fd++)
        (void)syscall(SYS_dup3, 1, fd, 0);
    return NULL;
}
