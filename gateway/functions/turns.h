/* turns.h: at most one change of a function at a time, of its files and its record. Call with the
 * lock held. */
#ifndef GATEWAY_TURNS_H
#define GATEWAY_TURNS_H

#include <stdbool.h>

struct gw;
struct gw_function;

/* Embedded in the record of a change. The record must stay valid until the turn has ended. */
struct gw_turn {
    struct gw_turn *next;
    void (*go)(struct gw_turn *turn); /* the turn begins; it ends with gw_turn_end */
};

/* Calls turn->go at once if no change is in progress, otherwise after the earlier ones have ended.
 * The turn holds a reference to the function until then. first: before the waiting changes (used by
 * a deploy, which has already waited for its build). Returns 0, or -EAGAIN if too many changes
 * wait. */
int gw_turn_take(struct gw_function *f, struct gw_turn *turn, bool first);
/* Removes the turn from the waiting list, if it is in it. */
void gw_turn_leave(struct gw *gw, struct gw_function *f, struct gw_turn *turn);
/* Ends the change. The next one's go may be called before this returns. */
void gw_turn_end(struct gw *gw, struct gw_function *f);

#endif
