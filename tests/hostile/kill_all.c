/* kill_all.c: sends SIGKILL to every process that it may signal. */
#include "attack.h"

const char *
attack(hearth_call *call)
{
    (void)call;
    return syscall(SYS_kill, -1, SIGKILL) == -1 ? NULL : "it may send signals";
}
