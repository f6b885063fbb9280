/* prctl_filter.c: installs a filter with prctl. */
#include "attack.h"

const char *
attack(hearth_call *call)
{
    (void)call;
    return prctl(PR_SET_SECCOMP, 1) == 0 ? "it has a filter of its own" : NULL;
}
