/* sethostname.c: renames the host. */
#include "attack.h"

const char *
attack(hearth_call *call)
{
    (void)call;
    return syscall(SYS_sethostname, "x", 1) == -1 ? NULL : "it renamed the host";
}
