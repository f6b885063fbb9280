/* refusals.c: reports an instance's refused system calls in the log of its function. The worker
 * itself counts them, so a function can falsify only the counts of its own instance. */
#include "instance.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "filter.h"
#include "function.h"
#include "journal.h"

#define LOG_AGAIN 10 /* report again when the count has grown by this factor */
#define LOG_MOST  8  /* lines of one report: the counts come from the worker */

struct gw_refused {
    uint32_t seen[CHAN_SYSCALLS];   /* counts that were read from the channel */
    uint32_t logged[CHAN_SYSCALLS]; /* counts that were last logged */
};

static void
log_refusal(struct gw_instance *inst, int number, uint32_t count, const char *call_id)
{
    char name[32];
    const char *setting;
    int error = sbx_filter_refusal(number, &setting);
    const char *errno_name = strerrorname_np(error);

    (void)sbx_filter_syscall_name(number, name, sizeof name);
    gw_journal_say(inst->function, inst->id, 2, call_id,
                   "system call %s was refused with %s, %u time%s so far%s%s%s", name,
                   errno_name != NULL ? errno_name : "an error", count, count == 1 ? "" : "s",
                   setting != NULL ? "; setting " : "", setting != NULL ? setting : "",
                   setting == NULL ? ""
                   : strcmp(setting, "threads") == 0
                       ? " allows threads, and nothing allows processes"
                       : " may allow it");
}

void
gw_instance_report_refusals(struct gw_instance *inst, const char *call_id)
{
    struct chan_shared *shared = inst->chan.shared;
    struct gw_refused *refused = inst->refused;
    unsigned lines = 0;

    inst->refusals_seen = atomic_load(&shared->refusals);
    if (refused == NULL && (refused = inst->refused = calloc(1, sizeof *refused)) == NULL)
        return;
    for (int i = 0; i < CHAN_SYSCALLS; i++) {
        uint32_t count = atomic_load_explicit(&shared->refused[i], memory_order_relaxed);

        if (count == refused->seen[i])
            continue;
        gw_function_count_refused(inst->function, i, count - refused->seen[i]);
        refused->seen[i] = count;
        if (lines < LOG_MOST &&
            (refused->logged[i] == 0 || count / LOG_AGAIN >= refused->logged[i])) {
            lines++;
            refused->logged[i] = count > 0 ? count : 1;
            log_refusal(inst, i, count, call_id);
        }
    }
}
