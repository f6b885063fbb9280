/* vm_readv.c: reads another process's memory. */
#include "attack.h"

const char *
attack(hearth_call *call)
{
    (void)call;
    return syscall(SYS_process_vm_readv, 1, 0, 0, 0, 0, 0) == -1 ? NULL : "it may read memory";
}
