/* ring_truncated.c: truncates the channel's file, so that the gateway's next access would fault:
 * through every descriptor, reopened through /fd. */
#include "ring.h"

static const char *got;

int
hearth_init(void)
{
    for (int fd = 0; fd < 128; fd++)
        if (fd != 1 && fd != 2 && syscall(SYS_fallocate, fd, 3, 0, 4096) == 0)
            got = "it punched a hole";
    return 0;
}

const char *
attack(hearth_call *call)
{
    (void)call;
    return got;
}
