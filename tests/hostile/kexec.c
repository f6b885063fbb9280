/* kexec.c: loads another kernel. */
#include "attack.h"

const char *
attack(hearth_call *call)
{
    (void)call;
    return syscall(SYS_kexec_load, 0, 0, 0, 0) == -1 ? NULL : "it loaded a kernel";
}
