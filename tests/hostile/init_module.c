/* init_module.c: loads a module into the kernel. */
#include "attack.h"

const char *
attack(hearth_call *call)
{
    (void)call;
    return syscall(SYS_init_module, 0, 0, "") == -1 ? NULL : "it loaded a module";
}
