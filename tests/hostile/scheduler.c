/* scheduler.c: takes a real-time priority. */
#include "attack.h"

const char *
attack(hearth_call *call)
{
    (void)call;
    return syscall(SYS_sched_setscheduler, 0, SCHED_FIFO, (int[1]){99}) == -1
               ? NULL
               : "it runs before all others";
}
