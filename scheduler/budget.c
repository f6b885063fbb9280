/* budget.c: the memory of all instances together. What is counted is each slot's limit,
 * from the decision to launch it until it is gone; the sum never passes the budget. A
 * launch that does not fit makes room: idle instances go, the one that is worth least
 * first (greedy-dual with frequency, cost and size: Fuerst and Sharma, "FaasCache",
 * ASPLOS 2021), and the function waits in line for it. Where nothing is idle, a function
 * without any instance may have one of those of the function with the most.
 */
#include <stdlib.h>

#include "internal.h"

bool
sch_has_room(const struct sch *sch, int64_t bytes)
{
    return sch->config.memory_budget == 0 || sch->used_bytes + bytes <= sch->config.memory_budget;
}

/* What will be free once all that is on its way out has gone. */
static int64_t
room_to_come(const struct sch *sch)
{
    return sch->config.memory_budget - sch->used_bytes + sch->leaving_bytes;
}

/* ---- functions by the value of their oldest idle instance, the least first ---- */

static void
place_value(struct sch *sch, uint32_t at, struct sch_function *f)
{
    sch->values[at] = f;
    f->value_at = at + 1;
}

static void
move_value(struct sch *sch, uint32_t at)
{
    struct sch_function *f = sch->values[at];

    for (; at > 0 && sch->values[(at - 1) / 2]->value > f->value; at = (at - 1) / 2)
        place_value(sch, at, sch->values[(at - 1) / 2]);
    for (uint32_t child; (child = 2 * at + 1) < sch->values_count; at = child) {
        if (child + 1 < sch->values_count &&
            sch->values[child + 1]->value < sch->values[child]->value)
            child++;
        if (sch->values[child]->value >= f->value)
            break;
        place_value(sch, at, sch->values[child]);
    }
    place_value(sch, at, f);
}

static void
set_value(struct sch *sch, struct sch_function *f, double value)
{
    f->value = value;
    move_value(sch, f->value_at - 1);
}

static void
forget_value(struct sch *sch, struct sch_function *f)
{
    uint32_t at = f->value_at - 1;
    struct sch_function *last;

    if (f->value_at == 0)
        return;
    f->value_at = 0;
    last = sch->values[--sch->values_count];
    if (last == f)
        return;
    place_value(sch, at, last);
    move_value(sch, at);
}

/* Its function gets an entry, where it has none. */
static void
enter_value(struct sch *sch, struct sch_slot *slot)
{
    struct sch_function *f = slot->function;

    if (f->value_at != 0)
        return;
    if (sch->values_count == sch->values_room) {
        uint32_t room = sch->values_room > 0 ? 2 * sch->values_room : 64;
        struct sch_function **wider = realloc(sch->values, room * sizeof(struct sch_function *));

        if (wider == NULL)
            return; /* it cannot be evicted until it is idle again */
        sch->values = wider;
        sch->values_room = room;
    }
    f->value = slot->value;
    sch->values_count++;
    place_value(sch, sch->values_count - 1, f);
    move_value(sch, sch->values_count - 1);
}

/* Clock + frequency * cost / size: what an instance was worth when it was used last. The
 * frequency is the instance's own, not its function's: else those that only one burst of a
 * busy function needed would be kept for ever. In a simulated day (docs/scheduling.md) that
 * made 7.6 % of calls cold instead of 10.5 %. */
void
sch_slot_value(struct sch *sch, struct sch_slot *slot)
{
    const struct sch_function *f = slot->function;
    double cost = (double)(f->start_ns > 0 ? f->start_ns : SCH_START_NS);

    slot->value =
        sch->clock + (double)slot->calls * cost / (double)(slot->memory > 0 ? slot->memory : 1);
    enter_value(sch, slot);
}

/* ---- who has slots ---- */

void
sch_staff(struct sch *sch, struct sch_function *f)
{
    if (f->slots_count++ > 0)
        return;
    f->staff_prev = NULL;
    f->staff_next = sch->staffed;
    if (f->staff_next != NULL)
        f->staff_next->staff_prev = f;
    sch->staffed = f;
}

void
sch_unstaff(struct sch *sch, struct sch_function *f)
{
    if (--f->slots_count > 0)
        return;
    forget_value(sch, f);
    *(f->staff_prev != NULL ? &f->staff_prev->staff_next : &sch->staffed) = f->staff_next;
    if (f->staff_next != NULL)
        f->staff_next->staff_prev = f->staff_prev;
    f->staff_next = f->staff_prev = NULL;
}

/* ---- making room ---- */

/* Of each function only the instance that is idle for longest comes into question. */
static struct sch_slot *
candidate(const struct sch_function *f, const struct sch_function *except)
{
    if (f == except || sch_function_live(f) <= (uint64_t)f->settings.min)
        return NULL;
    return f->slots[SCH_SLOT_IDLE].tail;
}

/* The idle instance that is worth least. The heap has an entry for every function with an
 * idle instance, by what that was worth when it was looked at last; since values grow, an
 * old entry is too low, and is corrected when it comes to the top. So nothing has to be
 * done when an instance is used. */
static struct sch_slot *
least_worth(struct sch *sch, const struct sch_function *except)
{
    struct sch_function *aside = NULL;
    struct sch_slot *least = NULL;

    while (least == NULL && sch->values_count > 0) {
        struct sch_function *f = sch->values[0];
        struct sch_slot *slot = candidate(f, except);

        if (f == except && f->slots[SCH_SLOT_IDLE].tail != NULL)
            aside = f;
        if (slot == NULL)
            forget_value(sch, f);
        else if (slot->value > f->value)
            set_value(sch, f, slot->value);
        else
            least = slot;
    }
    if (aside != NULL)
        enter_value(sch, aside->slots[SCH_SLOT_IDLE].tail);
    return least;
}

/* Dooms a busy instance of the function that has the most, where one has several and
 * none is doomed already. */
static void
take_from_the_rich(struct sch *sch)
{
    struct sch_function *rich = NULL;

    for (struct sch_function *f = sch->staffed; f != NULL; f = f->staff_next) {
        uint64_t live = sch_function_live(f), least = (uint64_t)f->settings.min;

        for (const struct sch_slot *s = f->slots[SCH_SLOT_BUSY].head; s != NULL; s = s->next)
            if (s->doomed)
                return;
        if (live > (least > 1 ? least : 1) && f->slots[SCH_SLOT_BUSY].tail != NULL &&
            (rich == NULL || live > sch_function_live(rich)))
            rich = f;
    }
    if (rich != NULL)
        sch_slot_close(sch, rich->slots[SCH_SLOT_BUSY].tail);
}

/* Before the functions in line that have an instance already. */
static void
go_first(struct sch *sch, struct sch_function *f)
{
    int64_t since_ns = f->hungry_since_ns;

    if (sch->hungry == f || sch_function_live(sch->hungry) == 0)
        return;
    sch_sate(sch, f);
    f->hungry = true;
    f->hungry_since_ns = since_ns;
    f->hungry_prev = NULL;
    f->hungry_next = sch->hungry;
    *(sch->hungry != NULL ? &sch->hungry->hungry_prev : &sch->hungry_last) = f;
    sch->hungry = f;
}

void
sch_make_room(struct sch *sch, struct sch_function *f, int64_t bytes, int64_t now_ns)
{
    struct sch_slot *victim;

    while (room_to_come(sch) < bytes && (victim = least_worth(sch, f)) != NULL) {
        sch->clock = victim->value > sch->clock ? victim->value : sch->clock;
        sch->evictions++;
        sch_slot_retire(sch, victim, now_ns);
    }
    if (room_to_come(sch) < bytes && f != NULL && sch_function_live(f) == 0 && f->hungry &&
        now_ns - f->hungry_since_ns >= SCH_HUNGER_NS) {
        go_first(sch, f);
        take_from_the_rich(sch);
    }
}

/* ---- the line for memory ---- */

void
sch_hunger(struct sch *sch, struct sch_function *f, int64_t now_ns)
{
    if (!f->hungry) {
        f->hungry = true;
        f->hungry_since_ns = now_ns;
        f->hungry_next = NULL;
        f->hungry_prev = sch->hungry_last;
        *(sch->hungry_last != NULL ? &sch->hungry_last->hungry_next : &sch->hungry) = f;
        sch->hungry_last = f;
    }
    sch_make_room(sch, f, f->settings.memory, now_ns);
    sch_wake_by(sch, f, now_ns + SCH_HUNGER_NS);
}

bool
sch_is_next(const struct sch *sch, const struct sch_function *f)
{
    return sch->feeding == f || sch->hungry == NULL || sch->hungry == f;
}

void
sch_sate(struct sch *sch, struct sch_function *f)
{
    if (!f->hungry)
        return;
    f->hungry = false;
    *(f->hungry_prev != NULL ? &f->hungry_prev->hungry_next : &sch->hungry) = f->hungry_next;
    *(f->hungry_next != NULL ? &f->hungry_next->hungry_prev : &sch->hungry_last) = f->hungry_prev;
    f->hungry_next = f->hungry_prev = NULL;
}

void
sch_feed(struct sch *sch, int64_t now_ns)
{
    struct sch_function *f;

    /* in their order: a large one is not passed by small ones for ever */
    if (sch->feeding != NULL)
        return; /* the loop below comes to it */
    while ((f = sch->hungry) != NULL && sch_has_room(sch, f->settings.memory)) {
        sch->feeding = f;
        sch_sate(sch, f);
        sch_pump(sch, f, now_ns); /* may put it at the end of the line again */
        sch->feeding = NULL;
    }
    if (f != NULL)
        sch_make_room(sch, f, f->settings.memory, now_ns);
}

/* ---- instances outside the pools ---- */

bool
sch_hold(struct sch *sch, int64_t bytes, int64_t now_ns)
{
    if (!sch_has_room(sch, bytes)) {
        sch_make_room(sch, NULL, bytes, now_ns);
        return false;
    }
    sch->used_bytes += bytes;
    return true;
}

void
sch_release(struct sch *sch, int64_t bytes, int64_t now_ns)
{
    sch->used_bytes -= bytes;
    sch_feed(sch, now_ns);
}

bool
sch_fits(const struct sch *sch, const struct sch_function *f, const struct sch_settings *settings)
{
    int64_t budget = sch->config.memory_budget;
    int64_t others = sch->kept_bytes - (f != NULL ? f->kept_bytes : 0);

    return budget == 0 || settings->min <= (budget - others) / settings->memory;
}

int64_t
sch_used_bytes(const struct sch *sch)
{
    return sch->used_bytes;
}

uint64_t
sch_evictions(const struct sch *sch)
{
    return sch->evictions;
}
