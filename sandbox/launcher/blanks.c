/* blanks.c: sandboxes made in advance: processes in their namespaces and control group,
 * behind their first filter, that wait for a function. A cold start takes one, and what
 * is left of it is the loading.
 *
 * How many there are follows the largest burst of starts in the last while, within the
 * configured bounds; they are made one at a time, when nothing else is to be done.
 */
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "launcher/launcher.h"

#define BURST_MS  100   /* starts within this are one burst */
#define MEMORY_MS 30000 /* after which the largest burst counts half */
#define REFILL_MS 5     /* after a start: its own work goes first */
#define RETRY_MS  1000  /* after a blank that could not be made, or died */

/* The least that a function's limit can be. */
#define BLANK_MEMORY (UINT64_C(4) << 20)
#define BLANK_WEIGHT 10

struct launcher_child *
launcher_blank_take(struct launcher *l, struct launcher_worker_fds *fds)
{
    struct launcher_blanks *b = &l->blanks;
    int64_t now = launcher_now_ms();
    struct launcher_blank blank;
    int object = fds->object;

    if (now - b->burst_since_ms > BURST_MS) {
        b->burst_since_ms = now;
        b->burst = 0;
    }
    if (++b->burst > b->largest_burst)
        b->largest_burst = b->burst;
    b->next_ms = now + REFILL_MS;
    while (b->count > 0) {
        blank = b->of[--b->count];
        if (poll(&(struct pollfd){.fd = blank.child->pidfd, .events = POLLIN}, 1, 0) == 0) {
            *fds = blank.fds;
            fds->object = object;
            return blank.child;
        }
        launcher_worker_fds_close(&blank.fds); /* it died, and nobody has looked yet */
        launcher_drop(l, blank.child);
    }
    return NULL;
}

static uint32_t
wanted(struct launcher_blanks *b, int64_t now)
{
    uint32_t most;

    if (now - b->halved_ms > MEMORY_MS) {
        b->halved_ms = now;
        b->largest_burst /= 2;
    }
    most = b->largest_burst > b->min ? b->largest_burst : b->min;
    return most < b->max ? most : b->max;
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
    struct launcher_child *c = launcher_take_slot(l, LAUNCHER_BLANK, 0);
    struct hearth_err err = {0};

    b->next_ms = now;
    if (c == NULL)
        return; /* as many instances as there can be: no room for one in advance */
    if (launcher_make_worker(l, &recipe, c, &fds, &err) < 0) {
        launcher_complain(l, "a blank could not be made: %s", err.text);
        launcher_drop(l, c);
        b->next_ms = now + RETRY_MS;
        return;
    }
    b->of[b->count++] = (struct launcher_blank){.child = c, .fds = fds};
    fds = (struct launcher_worker_fds)LAUNCHER_NO_FDS;
}

int
launcher_blanks_fill(struct launcher *l)
{
    struct launcher_blanks *b = &l->blanks;
    int64_t now = launcher_now_ms();

    if (b->max == 0 || l->stopping || b->count >= wanted(b, now))
        return -1;
    if (now < b->next_ms)
        return (int)(b->next_ms - now);
    make_one(l, now);
    return b->count >= wanted(b, now) ? -1 : (int)(b->next_ms > now ? b->next_ms - now : 0);
}

void
launcher_blank_ended(struct launcher *l, const struct launcher_child *c)
{
    struct launcher_blanks *b = &l->blanks;

    for (uint32_t i = 0; i < b->count; i++)
        if (b->of[i].child == c) {
            char text[160];

            launcher_last_words(b->of[i].fds.control_ours, text, sizeof text);
            if (text[0] != '\0')
                launcher_complain(l, "a blank could not be made: %s", text);
            launcher_worker_fds_close(&b->of[i].fds);
            b->of[i] = b->of[--b->count];
            break;
        }
    b->next_ms = launcher_now_ms() + RETRY_MS;
}
