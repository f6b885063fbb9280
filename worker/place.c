/* place.c: on which core this worker runs, and how soon after it is woken. The
 * gateway says where it runs itself while this function's calls are shorter than a
 * wake-up across cores costs; then waking this worker there needs no other core,
 * and its answers are in the cache. */
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "worker.h"

/* A slice shorter than the gateway's lets the worker run at once when it is woken on
 * the gateway's core, and answer before the gateway has gone to sleep: from Linux
 * 6.12 on, where a slice can be asked for; earlier kernels ignore it. */
#define SLICE_NS 250000

/* struct sched_attr of linux/sched/types.h, which cannot be had beside sched.h. */
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
wrk_place_init(void)
{
    struct attributes attr = {.size = sizeof attr, .policy = SCHED_OTHER, .runtime_ns = SLICE_NS};

    (void)syscall(SYS_sched_setattr, 0, &attr, 0); /* a kernel without it is slower, no more */
    may_move = sched_getaffinity(0, sizeof anywhere, &anywhere) == 0;
}

void
wrk_place_follow(struct chan *chan)
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
