/* modify_ldt.c: changes its segment table, an old attack surface of the kernel. */
#include "attack.h"

const char *
attack(hearth_call *call)
{
    (void)call;
    return syscall(SYS_modify_ldt, 0, 0, 0) == -1 ? NULL : "it has a table";
}
