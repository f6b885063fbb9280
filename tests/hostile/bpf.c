/* bpf.c: loads a BPF program. */
#include "attack.h"

const char *
attack(hearth_call *call)
{
    (void)call;
    return syscall(SYS_bpf, 5, 0, 0) == -1 ? NULL : "it loaded a program";
}
