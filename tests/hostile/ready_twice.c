/* ready_twice.c: installs the filter for running itself and reports ready twice. The second report
 * is a protocol violation that ends it while the first is still being verified. */
#include "ring.h"

#include <linux/seccomp.h>
#include <sys/syscall.h>

static __attribute__((constructor)) void
begin(void)
{
    struct chan *chan = channel_on_stack();

    /* as the worker would: see sandbox/filter.h */
    if (chan == NULL || syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 1, 0x10000 + 16) != 0)
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
