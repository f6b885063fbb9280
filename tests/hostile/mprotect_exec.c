/* mprotect_exec.c: writes code into its data and makes that executable. */
#include "attack.h"

static _Alignas(4096) unsigned char code[4096] = {0xb8, 42, 0, 0, 0, 0xc3}; /* return 42; */

const char *
attack(hearth_call *call)
{
    (void)call;
    if (mprotect(code, sizeof code, PROT_READ | PROT_EXEC) != 0)
        return NULL;
    return ((int (*)(void))(uintptr_t)code)() == 42 ? "it ran its data" : "its data may run";
}
