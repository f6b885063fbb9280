/* mq_open.c: makes a POSIX message queue. */
#include "attack.h"

const char *
attack(hearth_call *call)
{
    (void)call;
    return syscall(SYS_mq_open, "/x", O_CREAT | O_RDWR, 0600, 0) == -1 ? NULL
                                                                       : "it has a message queue";
}
