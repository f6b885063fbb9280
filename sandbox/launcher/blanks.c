/* blanks.c: sandboxes made in advance ("blanks"): processes in their namespaces and control
 * group, with their first filter, that wait for a function. A cold start takes one and only has
 * to load the function.
 *
 * The number follows the largest recent burst of starts, within the configured bounds. Blanks
 * are made one at a time, when the launcher has nothing else to do.
 */
#include "launcher/blanks.h"

#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "clock.h"
#include "launcher/child.h"
#include "launcher/report.h"
#include "launcher/worker.h"

#define BURST_MS  100   /* starts within this are one burst */
#define MEMORY_MS 30000 /* after which the largest burst counts half */
#define REFILL_MS 5     /* after a start, so as not to slow it down */
#define RETRY_MS  1000  /* after a blank that failed or died */

/* The smallest limit that a function can have. */
#define BLANK_MEMORY (UINT64_C(4) << 20)
#define BLANK_WEIGHT 10

struct launcher_child *
launcher_blank_take(struct launcher *l, struct launcher_worker_fds *fds)
{
    struct launcher_blanks *b = &l->blanks;
    int64_t now = clock_ms();
    struct launcher_blank blank;
    int object = fds->object, files = fds->files;

    if (now - b->burst_since_ms > BURST_MS) {
        b->burst_since_ms = now;
        b->burst = 0;
    }
    if (++b->burst > b->largest_burst)
        b->largest_burst = b->burst;
    b->next_ms = now + REFILL_MS;
    while (b->count > 0) {
        blank = b->items[--b->count];
        if (poll(&(struct pollfd){.fd = blank.child->pidfd, .events = POLLIN}, 1, 0) == 0) {
            *fds = blank.fds;
            fds->object = object;
            fds->files = files;
            return blank.child;
        }
        launcher_worker_fds_close(&blank.fds); /* it died, and its event is still to come */
        launcher_drop(l, blank.child);
    }
    return NULL;
}

static uint32_t
target_count(struct launcher_blanks *b, int64_t now)
{
    uint32_t most;

    if (now - b->halved_ms > MEMORY_MS) {
        b->halved_ms = now;
        b->largest_burst /= 2;
    }
    most = b->largest_burst > b->min ? b->largest_burst : b->min;
    return most < b->max ? most : b->max;
}

/* Closes what is held of the blank; reports its error, if it sent one. */
static void
forget(struct launcher *l, uint32_t i)
{
    struct launcher_blanks *b = &l->blanks;
    char text[160];

    launcher_read_error(b->items[i].fds.control_ours, text, sizeof text);
    if (text[0] != '\0')
        launcher_log_error(l, "a blank could not be made: %s", text);
    launcher_worker_fds_close(&b->items[i].fds);
    b->items[i] = b->items[--b->count];
    b->next_ms = clock_ms() + RETRY_MS;
}

static void
blank_ended(struct launcher *l, struct launcher_child *c, const siginfo_t *info)
{
    struct launcher_blanks *b = &l->blanks;

    (void)info;
    for (uint32_t i = 0; i < b->count; i++)
        if (b->items[i].child == c) {
            forget(l, i);
            return;
        }
}

static void
make_one(struct launcher *l, int64_t now)
{
    __attribute__((cleanup(launcher_worker_fds_close))) struct launcher_worker_fds fds =
        LAUNCHER_NO_FDS;
    struct launcher_recipe recipe = {.limits = {.memory = BLANK_MEMORY,
                                                .pids = LAUNCHER_WORKER_PIDS,
                                                .cpu_weight = BLANK_WEIGHT},
                                     .filters = l->filters};
    struct launcher_blanks *b = &l->blanks;
    struct launcher_child *c = launcher_take_slot(l, LAUNCHER_BLANK, 0, blank_ended);
    struct hearth_err err = {0};

    b->next_ms = now;
    if (c == NULL)
        return; /* all slots are in use */
    if (launcher_make_worker(l, &recipe, c, &fds, &err) < 0) {
        launcher_log_error(l, "a blank could not be made: %s", err.text);
        launcher_drop(l, c);
        b->next_ms = now + RETRY_MS;
        return;
    }
    b->items[b->count++] = (struct launcher_blank){.child = c, .fds = fds};
    fds = (struct launcher_worker_fds)LAUNCHER_NO_FDS;
}

int
launcher_blanks_fill(struct launcher *l)
{
    struct launcher_blanks *b = &l->blanks;
    int64_t now = clock_ms();

    if (b->max == 0 || l->stopping || b->count >= target_count(b, now))
        return -1;
    if (now < b->next_ms)
        return (int)(b->next_ms - now);
    make_one(l, now);
    return b->count >= target_count(b, now) ? -1 : (int)(b->next_ms > now ? b->next_ms - now : 0);
}

void
launcher_blanks_clear(struct launcher *l)
{
    while (l->blanks.count > 0)
        forget(l, l->blanks.count - 1);
}
