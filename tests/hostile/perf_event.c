/* perf_event.c: opens a performance counter. */
#include "attack.h"

const char *
attack(hearth_call *call)
{
    (void)call;
    return syscall(SYS_perf_event_open, 0, 0, -1, -1, 0) == -1 ? NULL : "it counts";
}
