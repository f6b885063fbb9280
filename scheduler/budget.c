/* budget.c: the memory of all instances together. What is counted is each slot's limit,
 * from the decision to launch it until it is gone; the sum never passes the budget. A
 * launch that does not fit makes room: idle instances go, the one that is worth least
 * first (greedy-dual with frequency, cost and size: Fuerst and Sharma, "FaasCache",
 * ASPLOS 2021), and the function waits in line for it. Where nothing is idle, a function
 * without any instance may have one of those of the function with the most.
 */
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

/* Clock + frequency * cost / size: what an instance was worth when it was used last. */
void
sch_slot_value(struct sch *sch, struct sch_slot *slot)
{
    const struct sch_function *f = slot->function;
    double cost = (double)(f->start_ns > 0 ? f->start_ns : SCH_START_NS);

    slot->value = sch->clock + f->frequency * cost / (double)(slot->memory > 0 ? slot->memory : 1);
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
    f->frequency = 0;
    *(f->staff_prev != NULL ? &f->staff_prev->staff_next : &sch->staffed) = f->staff_next;
    if (f->staff_next != NULL)
        f->staff_next->staff_prev = f->staff_prev;
    f->staff_next = f->staff_prev = NULL;
}

/* ---- making room ---- */

/* The idle instance that is worth least; of each function only the one idle for longest
 * comes into question, since its value is the lowest. */
static struct sch_slot *
least_worth(const struct sch *sch, const struct sch_function *except)
{
    struct sch_slot *least = NULL;

    for (struct sch_function *f = sch->staffed; f != NULL; f = f->staff_next) {
        struct sch_slot *slot = f->slots[SCH_SLOT_IDLE].tail;

        if (f == except || slot == NULL || sch_function_live(f) <= (uint64_t)f->settings.min)
            continue;
        if (least == NULL || slot->value < least->value)
            least = slot;
    }
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
        rich->slots[SCH_SLOT_BUSY].tail->doomed = true;
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
        now_ns - f->hungry_since_ns >= SCH_HUNGER_NS)
        take_from_the_rich(sch);
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
    while ((f = sch->hungry) != NULL && sch_has_room(sch, f->settings.memory)) {
        sch_sate(sch, f);
        sch_pump(sch, f, now_ns); /* may put it at the end of the line again */
    }
    if (f != NULL)
        sch_make_room(sch, f, f->settings.memory, now_ns);
}

void
sch_free_bytes(struct sch *sch, int64_t bytes, int64_t now_ns)
{
    sch->used_bytes -= bytes;
    sch_feed(sch, now_ns);
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
    sch_free_bytes(sch, bytes, now_ns);
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
