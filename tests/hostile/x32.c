/* x32.c: makes a system call of the x32 ABI, which has other numbers. */
#include "attack.h"

const char *
attack(hearth_call *call)
{
    (void)call;
    return syscall(0x40000000 | 41, AF_INET, SOCK_STREAM, 0) == -1 ? NULL : "it has a socket";
}
