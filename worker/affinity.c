/* affinity.c: on which core this worker runs, and how soon after a wake-up. While the calls of this
 * function take less time than a wake-up across cores, the gateway hints at its own core: waking
 * the worker there involves no other core, and the response is in the cache. */
#include "affinity.h"

#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

/* With a slice shorter than that of the gateway, the worker runs at once when it is woken on the
 * same core, and answers before the gateway sleeps. Linux 6.12 and later have slices; earlier
 * kernels ignore this. */
#define SLICE_NS 250000

/* struct sched_attr of linux/sched/types.h, which cannot be included together with sched.h. */
struct attributes {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime_ns, deadline_ns, period_ns;
};

static cpu_set_t anywhere;
static bool may_move;

void
wrk_affinity_init(void)
{
    struct attributes attr = {.size = sizeof attr, .policy = SCHED_OTHER, .runtime_ns = SLICE_NS};

    (void)syscall(SYS_sched_setattr, 0, &attr, 0); /* without it, the kernel is only slower */
    may_move = sched_getaffinity(0, sizeof anywhere, &anywhere) == 0;
}

void
wrk_affinity_follow(struct chan *chan)
{
    static uint32_t here; /* the hint that was followed last */
    uint32_t hint = chan_hinted_core(chan);
    cpu_set_t one;

    if (hint == here || !may_move)
        return;
    here = hint;
    CPU_ZERO(&one);
    if (hint != 0 && hint <= CPU_SETSIZE && CPU_ISSET(hint - 1, &anywhere)) {
        CPU_SET(hint - 1, &one);
        if (sched_setaffinity(0, sizeof one, &one) == 0)
            return;
    }
    (void)sched_setaffinity(0, sizeof anywhere, &anywhere);
}
