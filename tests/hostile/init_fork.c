/* init_fork.c: makes a process before the first call, to outlive the instance. */
#include "attack.h"

static pid_t child = -1;

int
hearth_init(void)
{
    child = fork();
    return 0;
}

const char *
attack(hearth_call *call)
{
    (void)call;
    return child >= 0 ? "it has a child" : NULL;
}
