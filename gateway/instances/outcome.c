/* outcome.c: why an instance ended, from the launcher's report and the worker's note. */
#include "instance.h"

#include <signal.h>
#include <stdio.h>

#include "filter.h"

static void
signal_name(int number, char *buf, size_t n)
{
    const char *name = sigabbrev_np(number);

    (void)snprintf(buf, n, "SIG%s", name != NULL ? name : "?");
}

struct gw_outcome
gw_instance_outcome(const struct gw_instance *inst)
{
    const struct launch_died *died = &inst->death;
    uint32_t note = inst->open ? atomic_load(&inst->chan.shared->trapped) : 0;
    struct gw_outcome out = {.code = GW_FUNCTION_CRASHED};

    if (died->cause == LAUNCH_CAUSE_NOT_ISOLATED) {
        out.code = GW_INIT_FAILED;
    } else if (died->killer != LAUNCH_KILLER_NONE) {
        out.code = GW_MEMORY_EXCEEDED;
    } else if (died->cause == LAUNCH_CAUSE_SIGNAL && died->value == SIGSYS) {
        out.code = GW_FORBIDDEN_SYSCALL;
        (void)snprintf(out.syscall, sizeof out.syscall, "unknown");
        if (note > 0 && note < CHAN_NOTED_SIGNAL)
            (void)sbx_filter_syscall_name((int)note - 1, out.syscall, sizeof out.syscall);
    } else if (died->cause == LAUNCH_CAUSE_SIGNAL) {
        signal_name(died->value, out.signal, sizeof out.signal);
        out.stack_overflow = died->value == SIGSEGV && note == CHAN_NOTED_STACK;
    } else if (note > CHAN_NOTED_SIGNAL && (int)(note - CHAN_NOTED_SIGNAL) + 128 == died->value) {
        signal_name((int)(note - CHAN_NOTED_SIGNAL), out.signal, sizeof out.signal);
    } else {
        out.exit = died->value;
    }
    return out;
}

const char *
gw_instance_killer_name(uint32_t killer)
{
    static const char *const names[] = {[LAUNCH_KILLER_NONE] = "none",
                                        [LAUNCH_KILLER_LIMIT] = "limit",
                                        [LAUNCH_KILLER_BUDGET] = "budget",
                                        [LAUNCH_KILLER_HOST] = "host"};

    return names[killer];
}

const char *
gw_instance_killer_text(uint32_t killer)
{
    if (killer == LAUNCH_KILLER_LIMIT)
        return "it needed more memory than its limit";
    if (killer == LAUNCH_KILLER_BUDGET)
        return "all instances and builds together needed more than the memory of the group that "
               "holds them; its own limit was not reached";
    return "the host had no memory left, or its OOM daemon chose it; its own limit was not reached";
}

void
gw_instance_explain_failed_start(const struct gw_instance *inst, char *text, size_t n)
{
    struct gw_outcome out = gw_instance_outcome(inst);

    if (inst->unfit[0] != '\0')
        (void)snprintf(text, n, "%s", inst->unfit);
    else if (out.code == GW_INIT_FAILED)
        (void)snprintf(text, n, "%s", inst->death.text);
    else if (out.code == GW_MEMORY_EXCEEDED)
        (void)snprintf(text, n, "it was killed while it started: %s (%lld bytes)",
                       gw_instance_killer_text(inst->death.killer), (long long)inst->limit_bytes);
    else if (out.code == GW_FORBIDDEN_SYSCALL)
        (void)snprintf(text, n, "it made the forbidden system call %s while it was being loaded",
                       out.syscall);
    else if (inst->broken)
        (void)snprintf(text, n, "it broke the protocol while it was being loaded");
    else if (out.signal[0] != '\0')
        (void)snprintf(text, n, "it was killed by %s while it was being loaded", out.signal);
    else
        (void)snprintf(text, n, "it exited with status %d while it was being loaded", out.exit);
}
