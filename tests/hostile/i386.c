/* i386.c: enters the kernel by the door of 32-bit programs, whose numbers mean other calls. */
#include "attack.h"

const char *
attack(hearth_call *call)
{
    long got;

    (void)call;
    __asm__ volatile("int $0x80" : "=a"(got) : "a"(20L) : "memory"); /* getpid there, writev here */
    return got > 0 ? "the other door is open" : NULL;
}
