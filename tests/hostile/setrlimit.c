/* setrlimit.c: raises its limits. */
#include "attack.h"

const char *
attack(hearth_call *call)
{
    (void)call;
    return syscall(SYS_setrlimit, 7, (long[2]){1 << 20, 1 << 20}) == -1 ? NULL
                                                                        : "it has other limits";
}
