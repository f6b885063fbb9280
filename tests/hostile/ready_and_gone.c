/* ready_and_gone.c: installs the filter for running itself, reports ready, and exits a moment later
 * without a call, so that the platform starts instances without end. */
#include "ring.h"

#include <time.h>

int
hearth_init(void)
{
    struct timespec moment = {.tv_nsec = 50000000};
    struct chan *chan = channel_on_stack();

    if (chan == NULL || syscall(SYS_seccomp, 1, 1, (void *)0x10010) != 0)
        return 1;
    (void)chan_reserve(chan, 0);
    (void)chan_commit(chan, FRAME_READY, FRAME_END, 0, 0);
    ring_bells();
    (void)nanosleep(&moment, NULL);
    _exit(0);
}

const char *
attack(hearth_call *call)
{
    (void)call;
    return "it was called";
}
