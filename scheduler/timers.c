/* timers.c: when sch_tick has to look at which function: a heap, since there may be ten thousand
 * functions. */
#include "timers.h"

#include <stdlib.h>

#include "container.h"

static bool
is_sooner(const struct sch_heap_node *a, const struct sch_heap_node *b)
{
    return container_of(a, struct sch_function, timer)->due_ns <
           container_of(b, struct sch_function, timer)->due_ns;
}

void
sch_wake_by(struct sch *sch, struct sch_function *f, int64_t at_ns)
{
    if (f->timer.at != 0 && at_ns >= f->due_ns)
        return;
    f->due_ns = at_ns;
    if (f->timer.at != 0)
        sch_heap_update(&sch->timers, &f->timer, is_sooner);
    else if (sch_heap_add(&sch->timers, &f->timer, is_sooner) < 0)
        abort(); /* without this timeout, a call would be lost */
}

void
sch_forget_time(struct sch *sch, struct sch_function *f)
{
    sch_heap_remove(&sch->timers, &f->timer, is_sooner);
}

struct sch_function *
sch_timers_first(const struct sch *sch)
{
    struct sch_heap_node *first = sch_heap_first(&sch->timers);

    return first != NULL ? container_of(first, struct sch_function, timer) : NULL;
}

int64_t
sch_wake_at(const struct sch *sch)
{
    const struct sch_function *f = sch_timers_first(sch);

    return f != NULL ? f->due_ns : INT64_MAX;
}
