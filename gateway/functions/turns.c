/* turns.c: one change of a function at a time: see turns.h.
 * Invariant: each turn that was taken and has not ended holds the function once.
 */
#include "functions/turns.h"

#include <errno.h>
#include <stddef.h>

#include "functions/function.h"

#define WAITING_MOST 64 /* changes of one function; deploys, which are bounded, besides */

static unsigned
count_waiting(const struct gw_function *f)
{
    unsigned n = 0;

    for (const struct gw_turn *turn = f->turns; turn != NULL; turn = turn->next)
        n++;
    return n;
}

int
gw_turn_take(struct gw_function *f, struct gw_turn *turn, bool first)
{
    struct gw_turn **at = &f->turns;

    if (!first && count_waiting(f) >= WAITING_MOST)
        return -EAGAIN;
    f->refs++;
    if (!f->changing) {
        f->changing = true;
        turn->go(turn);
        return 0;
    }
    while (!first && *at != NULL)
        at = &(*at)->next;
    turn->next = *at;
    *at = turn;
    return 0;
}

void
gw_turn_leave(struct gw *gw, struct gw_function *f, struct gw_turn *turn)
{
    struct gw_turn **at = &f->turns;

    while (*at != NULL && *at != turn)
        at = &(*at)->next;
    if (*at == NULL)
        return;
    *at = turn->next;
    gw_function_release(gw, f);
}

void
gw_turn_end(struct gw *gw, struct gw_function *f)
{
    f->changing = false;
    if (!f->turning) { /* else the loop below goes on: a turn may end before go returns */
        f->turning = true;
        while (!f->changing && f->turns != NULL) {
            struct gw_turn *turn = f->turns;

            f->turns = turn->next;
            f->changing = true;
            turn->go(turn);
        }
        f->turning = false;
    }
    gw_function_release(gw, f);
}
