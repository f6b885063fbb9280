/* turns.c: serializes the changes of a function: see turns.h.
 * Invariant: each turn that was taken and has not ended holds one reference to the function. */
#include "turns.h"

#include <errno.h>
#include <stddef.h>

#include "function.h"

#define WAITING_MOST 64 /* per function; deploys are limited separately */

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
    if (!f->turning) { /* otherwise the loop below continues: a turn may end before go returns */
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
