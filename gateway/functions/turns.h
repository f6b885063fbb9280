/* turns.h: one change of a function at a time: of its files, and of what they say. With the
 * lock held. */
#ifndef GATEWAY_TURNS_H
#define GATEWAY_TURNS_H

#include <stdbool.h>

struct gw;
struct gw_function;

/* Embedded in the record of a change, which stays where it is until the turn has ended. */
struct gw_turn {
    struct gw_turn *next;
    void (*go)(struct gw_turn *turn); /* its turn has come; ends with gw_turn_end, then or later */
};

/* Calls turn->go at once where no change is under way, else when those before it have ended;
 * the function's record is held until then. first: before those that wait (a deploy, which has
 * waited for its build). 0, or -EAGAIN where too many wait. */
int gw_turn_take(struct gw_function *f, struct gw_turn *turn, bool first);
/* It goes without its turn: out of the line, where it stands there. */
void gw_turn_leave(struct gw *gw, struct gw_function *f, struct gw_turn *turn);
/* The change is over: the next one's turn comes before this returns. */
void gw_turn_end(struct gw *gw, struct gw_function *f);

#endif
