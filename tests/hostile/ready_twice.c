/* ready_twice.c: loads the filter for running itself, and says twice that it is ready: the
 * second is a lie that ends it while the first is still looked into. */
#include "ring.h"

#include <linux/seccomp.h>
#include <sys/syscall.h>

static __attribute__((constructor)) void
begin(void)
{
    struct chan *chan = channel_on_stack();

    /* as the worker itself would: see sandbox/filter.h */
    if (chan == NULL || syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, 0x10000 + 16) != 0)
        return;
    for (int i = 0; i < 2; i++)
        if (chan_reserve(chan, 0) != NULL)
            (void)chan_commit(chan, FRAME_READY, FRAME_END, 0, 0);
    ring_bells();
    for (;;)
        (void)sleep(1);
}

const char *
attack(hearth_call *call)
{
    (void)call;
    return "its constructor found no channel, or no filter";
}
