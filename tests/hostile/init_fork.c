/* init_fork.c: makes a process before the first call, to outlive the instance. */
#include "attack.h"

int
hearth_init(void)
{
    return fork() < 0;
}

const char *
attack(hearth_call *call)
{
    (void)call;
    return "its hearth_init went through";
}
