/* alive.c: see alive.h. */
#include "alive.h"

#include "function.h"
#include "instance.h"

static struct gw_mail mail; /* travels from loop to loop */
static bool travels;
static uint64_t beat; /* the last one that was asked */

static void
answer(struct gw *gw)
{
    gw_locked struct gw *held = gw_lock(gw);
    struct launch_message msg = {.type = LAUNCH_ALIVE, .id = beat};
    struct gw_function *f, *next;

    HASH_ITER (hh, gw->functions->table, f, next) {
        msg.u.alive.functions += f->live > 0;
        msg.u.alive.waiting += f->sch.waiting.count;
    }
    travels = false;
    (void)launch_client_send(&gw->instances->launcher, &msg);
}

static void
deliver(struct gw_loop *loop, struct gw_mail *same)
{
    struct gw *gw = loop->gw;

    if (loop->lane == 0)
        answer(gw);
    else
        gw_post(gw->loops[(loop->lane + 1u) % gw->loops_count], same, deliver);
}

void
gw_alive_answer(struct gw *gw, uint64_t id)
{
    beat = id;
    if (travels)
        return; /* for this one too */
    travels = true;
    gw_post(gw->loops[gw->loops_count > 1 ? 1 : 0], &mail, deliver);
}
