/* mmap_huge.c: maps huge pages, which the memory control group does not count. */
#include "attack.h"

const char *
attack(hearth_call *call)
{
    (void)call;
    return syscall(SYS_mmap, 0, 2 << 20, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0) == -1
               ? NULL
               : "it has huge pages";
}
