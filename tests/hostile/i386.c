/* i386.c: enters the kernel through the 32-bit entry point, where the numbers mean other calls. */
#include "attack.h"

const char *
attack(hearth_call *call)
{
    long got;

    (void)call;
    /* getpid for 32 bits, writev for 64 */
    __asm__ volatile("int $0x80" : "=a"(got) : "a"(20L) : "memory");
    return got > 0 ? "the 32-bit entry point is open" : NULL;
}
