/* timers.c: which functions time matters to, the soonest first: a binary heap, since
 * there may be ten thousand of them. */
#include <stdlib.h>

#include "internal.h"

static void
put(struct sch *sch, uint32_t at, struct sch_function *f)
{
    sch->heap[at] = f;
    f->heap_at = at + 1;
}

static void
sift_up(struct sch *sch, uint32_t at)
{
    struct sch_function *f = sch->heap[at];

    for (uint32_t parent; at > 0 && sch->heap[parent = (at - 1) / 2]->due_ns > f->due_ns;
         at = parent)
        put(sch, at, sch->heap[parent]);
    put(sch, at, f);
}

static void
sift_down(struct sch *sch, uint32_t at)
{
    struct sch_function *f = sch->heap[at];

    for (uint32_t child; (child = 2 * at + 1) < sch->heap_count; at = child) {
        if (child + 1 < sch->heap_count && sch->heap[child + 1]->due_ns < sch->heap[child]->due_ns)
            child++;
        if (sch->heap[child]->due_ns >= f->due_ns)
            break;
        put(sch, at, sch->heap[child]);
    }
    put(sch, at, f);
}

void
sch_wake_by(struct sch *sch, struct sch_function *f, int64_t at_ns)
{
    if (f->heap_at != 0) {
        if (at_ns < f->due_ns) {
            f->due_ns = at_ns;
            sift_up(sch, f->heap_at - 1);
        }
        return;
    }
    if (sch->heap_count == sch->heap_room) {
        uint32_t room = sch->heap_room > 0 ? 2 * sch->heap_room : 64;
        struct sch_function **wider = realloc(sch->heap, room * sizeof(struct sch_function *));

        if (wider == NULL)
            abort(); /* a timeout that is lost would lose a call */
        sch->heap = wider;
        sch->heap_room = room;
    }
    f->due_ns = at_ns;
    put(sch, sch->heap_count++, f);
    sift_up(sch, sch->heap_count - 1);
}

void
sch_forget_time(struct sch *sch, struct sch_function *f)
{
    uint32_t at = f->heap_at - 1;
    struct sch_function *last;

    if (f->heap_at == 0)
        return;
    f->heap_at = 0;
    last = sch->heap[--sch->heap_count];
    if (last == f)
        return;
    put(sch, at, last);
    sift_up(sch, at);
    sift_down(sch, last->heap_at - 1);
}

int64_t
sch_wake_at(const struct sch *sch)
{
    return sch->heap_count > 0 ? sch->heap[0]->due_ns : INT64_MAX;
}
