/* constructor_filter.c: installs a filter in a constructor. Under it, the installation of the
 * filter for running would only appear to succeed. */

#include "attack.h"

#include <linux/filter.h>
#include <linux/seccomp.h>

static __attribute__((constructor)) void
begin(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_seccomp, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO), /* reports success */
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof code / sizeof code[0], code};

    (void)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
}

const char *
attack(hearth_call *call)
{
    (void)call;
    return open("/lib", O_RDONLY) >= 0 ? "it serves under the wide filter" : "its filter stands";
}
