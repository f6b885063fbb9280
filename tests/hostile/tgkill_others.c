/* tgkill_others.c: sends SIGKILL with tgkill, which abort() needs, to all possible ids. */
#include "attack.h"

const char *
attack(hearth_call *call)
{
    (void)call;
    for (int pid = 2; pid < 40000; pid++)
        if (syscall(SYS_tgkill, pid, pid, SIGKILL) == 0 || errno != ESRCH)
            return "there is another process to signal";
    return NULL;
}
