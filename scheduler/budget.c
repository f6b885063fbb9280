/* budget.c: the memory of all instances together. It counts the limit of each slot, from the
 * decision to launch it until it is gone; the sum never exceeds the budget. If a launch does not
 * fit, idle instances are retired, the least valuable first (greedy-dual with frequency, cost and
 * size: Fuerst and Sharma, "FaasCache", ASPLOS 2021), and the function waits in line. If no
 * instance is idle, a function without any instance gets one from the function with the most.
 */
#include "budget.h"

#include "container.h"
#include "slots.h"
#include "timers.h"

bool
sch_memory_fits(const struct sch *sch, int64_t bytes)
{
    return sch->config.memory_budget == 0 || sch->used_bytes + bytes <= sch->config.memory_budget;
}

/* What will be free once all retiring slots are gone. */
static int64_t
free_soon(const struct sch *sch)
{
    return sch->config.memory_budget - sch->used_bytes + sch->leaving_bytes;
}

/* ---- functions by the value of their oldest idle instance, the least first ---- */

static bool
is_worth_less(const struct sch_heap_node *a, const struct sch_heap_node *b)
{
    return container_of(a, struct sch_function, worth)->value <
           container_of(b, struct sch_function, worth)->value;
}

/* Its function gets an entry, if it has none. Without memory for that it cannot be evicted until
 * it is idle again. */
static void
enter_value(struct sch *sch, struct sch_slot *slot)
{
    struct sch_function *f = slot->function;

    if (f->worth.at != 0)
        return;
    f->value = slot->value;
    (void)sch_heap_add(&sch->values, &f->worth, is_worth_less);
}

/* Clock + frequency * cost / size: the value of an instance when it was last used. The frequency is
 * that of the instance, not of its function: otherwise instances that only one burst of a busy
 * function needed would stay for ever. In a simulated day (docs/scheduling.md), 7.6 % of calls
 * were cold with this, and 10.5 % without. */
void
sch_slot_value(struct sch *sch, struct sch_slot *slot)
{
    const struct sch_function *f = slot->function;
    double cost = (double)(f->start_ns > 0 ? f->start_ns : SCH_START_NS);

    slot->value =
        sch->clock + (double)slot->calls * cost / (double)(slot->memory > 0 ? slot->memory : 1);
    enter_value(sch, slot);
}

/* ---- functions with slots ---- */

void
sch_slot_added(struct sch *sch, struct sch_function *f)
{
    if (f->slots_count++ > 0)
        return;
    f->with_slots_prev = NULL;
    f->with_slots_next = sch->with_slots;
    if (f->with_slots_next != NULL)
        f->with_slots_next->with_slots_prev = f;
    sch->with_slots = f;
}

void
sch_slot_removed(struct sch *sch, struct sch_function *f)
{
    if (--f->slots_count > 0)
        return;
    sch_heap_remove(&sch->values, &f->worth, is_worth_less);
    *(f->with_slots_prev != NULL ? &f->with_slots_prev->with_slots_next : &sch->with_slots) =
        f->with_slots_next;
    if (f->with_slots_next != NULL)
        f->with_slots_next->with_slots_prev = f->with_slots_prev;
    f->with_slots_next = f->with_slots_prev = NULL;
}

/* ---- freeing memory ---- */

/* The instance of a function that may be evicted: the one that has been idle for longest. */
static struct sch_slot *
candidate(const struct sch_function *f, const struct sch_function *except)
{
    if (f == except || sch_function_live(f) <= (uint64_t)f->settings.min)
        return NULL;
    return f->slots[SCH_SLOT_IDLE].tail;
}

/* The idle instance of the least value. The heap has an entry for each function with an idle
 * instance, by its value when it was last read. Values only grow, so an old entry is too low; it is
 * corrected when it comes to the top. So nothing has to be done when an instance is used. */
static struct sch_slot *
least_worth(struct sch *sch, const struct sch_function *except)
{
    struct sch_function *aside = NULL;
    struct sch_slot *least = NULL;
    struct sch_heap_node *first;

    while (least == NULL && (first = sch_heap_first(&sch->values)) != NULL) {
        struct sch_function *f = container_of(first, struct sch_function, worth);
        struct sch_slot *slot = candidate(f, except);

        if (f == except && f->slots[SCH_SLOT_IDLE].tail != NULL)
            aside = f;
        if (slot == NULL)
            sch_heap_remove(&sch->values, &f->worth, is_worth_less);
        else if (slot->value <= f->value)
            least = slot;
        else {
            f->value = slot->value;
            sch_heap_update(&sch->values, &f->worth, is_worth_less);
        }
    }
    if (aside != NULL)
        enter_value(sch, aside->slots[SCH_SLOT_IDLE].tail);
    return least;
}

/* Ends a busy instance, after its call, of the function that has the most. Not if no function has
 * more than one, or if a busy instance is to end already. */
static void
reclaim_from_largest(struct sch *sch)
{
    struct sch_function *largest = NULL;

    for (struct sch_function *f = sch->with_slots; f != NULL; f = f->with_slots_next) {
        uint64_t live = sch_function_live(f), least = (uint64_t)f->settings.min;

        for (const struct sch_slot *s = f->slots[SCH_SLOT_BUSY].head; s != NULL; s = s->next)
            if (s->doomed)
                return;
        if (live > (least > 1 ? least : 1) && f->slots[SCH_SLOT_BUSY].tail != NULL &&
            (largest == NULL || live > sch_function_live(largest)))
            largest = f;
    }
    if (largest != NULL)
        sch_slot_close(sch, largest->slots[SCH_SLOT_BUSY].tail, SCH_END_EVICTED);
}

/* Puts a function without an instance before those that have one. */
static void
move_to_front(struct sch *sch, struct sch_function *f)
{
    int64_t since_ns = f->memory_wait_since_ns;

    if (sch->memory_first == f || sch_function_live(sch->memory_first) == 0)
        return;
    sch_memory_wait_end(sch, f);
    f->waits_for_memory = true;
    f->memory_wait_since_ns = since_ns;
    f->memory_prev = NULL;
    f->memory_next = sch->memory_first;
    *(sch->memory_first != NULL ? &sch->memory_first->memory_prev : &sch->memory_last) = f;
    sch->memory_first = f;
}

void
sch_memory_reclaim(struct sch *sch, struct sch_function *f, int64_t bytes, int64_t now_ns)
{
    struct sch_slot *victim;

    while (free_soon(sch) < bytes && (victim = least_worth(sch, f)) != NULL) {
        sch->clock = victim->value > sch->clock ? victim->value : sch->clock;
        sch->evictions++;
        sch_slot_retire(sch, victim, SCH_END_EVICTED, now_ns);
    }
    if (free_soon(sch) < bytes && f != NULL && sch_function_live(f) == 0 && f->waits_for_memory &&
        now_ns - f->memory_wait_since_ns >= SCH_MEMORY_WAIT_NS) {
        move_to_front(sch, f);
        reclaim_from_largest(sch);
    }
}

/* ---- functions that wait for memory ---- */

void
sch_memory_wait(struct sch *sch, struct sch_function *f, int64_t now_ns)
{
    if (!f->waits_for_memory) {
        f->waits_for_memory = true;
        f->memory_wait_since_ns = now_ns;
        f->memory_next = NULL;
        f->memory_prev = sch->memory_last;
        *(sch->memory_last != NULL ? &sch->memory_last->memory_next : &sch->memory_first) = f;
        sch->memory_last = f;
    }
    sch_memory_reclaim(sch, f, f->settings.memory, now_ns);
    sch_wake_by(sch, f, now_ns + SCH_MEMORY_WAIT_NS);
}

bool
sch_memory_is_next(const struct sch *sch, const struct sch_function *f)
{
    return sch->granting == f || sch->memory_first == NULL || sch->memory_first == f;
}

void
sch_memory_wait_end(struct sch *sch, struct sch_function *f)
{
    if (!f->waits_for_memory)
        return;
    f->waits_for_memory = false;
    *(f->memory_prev != NULL ? &f->memory_prev->memory_next : &sch->memory_first) = f->memory_next;
    *(f->memory_next != NULL ? &f->memory_next->memory_prev : &sch->memory_last) = f->memory_prev;
    f->memory_next = f->memory_prev = NULL;
}

/* ---- instances outside the pools ---- */

bool
sch_hold(struct sch *sch, int64_t bytes, int64_t now_ns)
{
    if (!sch_memory_fits(sch, bytes)) {
        sch_memory_reclaim(sch, NULL, bytes, now_ns);
        return false;
    }
    sch->used_bytes += bytes;
    return true;
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
