/* vm_writev.c: writes another process's memory. */
#include "attack.h"

const char *
attack(hearth_call *call)
{
    (void)call;
    return syscall(SYS_process_vm_writev, 1, 0, 0, 0, 0, 0) == -1 ? NULL : "it may write memory";
}
