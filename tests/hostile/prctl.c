/* prctl.c: makes itself traceable and drops its restrictions. */
#include "attack.h"

const char *
attack(hearth_call *call)
{
    (void)call;
    return syscall(SYS_prctl, PR_SET_DUMPABLE, 1, 0, 0, 0) == -1 ? NULL : "it may call prctl";
}
