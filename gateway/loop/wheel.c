/* wheel.c: a hashed timing wheel (Varghese and Lauck, SOSP 1987, scheme 6). A timer is in the slot
 * of its tick modulo the wheel's size; timers that are due in a later round are skipped. */
#include "wheel.h"

#include <stddef.h>

void
gw_wheel_init(struct gw_wheel *wheel, int64_t now_ms)
{
    for (int i = 0; i < GW_WHEEL_SLOTS; i++)
        wheel->slots[i].next = wheel->slots[i].prev = &wheel->slots[i];
    wheel->tick = now_ms / GW_WHEEL_TICK_MS;
    wheel->armed = 0;
}

static void
link_into(struct gw_timer *head, struct gw_timer *timer)
{
    timer->next = head;
    timer->prev = head->prev;
    head->prev->next = timer;
    head->prev = timer;
}

static void
unlink_timer(struct gw_timer *timer)
{
    timer->prev->next = timer->next;
    timer->next->prev = timer->prev;
    timer->next = timer->prev = NULL;
}

void
gw_wheel_set(struct gw_wheel *wheel, struct gw_timer *timer, int64_t at_ms,
             void (*fire)(struct gw_timer *))
{
    int64_t tick = at_ms / GW_WHEEL_TICK_MS + 1;

    gw_wheel_unset(wheel, timer);
    if (tick <= wheel->tick)
        tick = wheel->tick + 1;
    timer->at_ms = at_ms;
    timer->fire = fire;
    timer->armed = true;
    link_into(&wheel->slots[tick % GW_WHEEL_SLOTS], timer);
    wheel->armed++;
}

void
gw_wheel_unset(struct gw_wheel *wheel, struct gw_timer *timer)
{
    if (!timer->armed)
        return;
    unlink_timer(timer);
    timer->armed = false;
    wheel->armed--;
}

static void
run_slot(struct gw_wheel *wheel, struct gw_timer *slot, int64_t now_ms)
{
    struct gw_timer due = {.next = &due, .prev = &due};

    for (struct gw_timer *t = slot->next, *next; t != slot; t = next) {
        next = t->next;
        if (t->at_ms > now_ms)
            continue;
        unlink_timer(t);
        link_into(&due, t);
    }
    while (due.next != &due) {
        struct gw_timer *timer = due.next;

        unlink_timer(timer);
        timer->armed = false;
        wheel->armed--;
        timer->fire(timer);
    }
}

void
gw_wheel_run(struct gw_wheel *wheel, int64_t now_ms)
{
    int64_t now = now_ms / GW_WHEEL_TICK_MS;
    int64_t from = wheel->tick + 1;

    if (now - from >= GW_WHEEL_SLOTS)
        from = now - GW_WHEEL_SLOTS + 1; /* one round covers all slots */
    for (int64_t tick = from; tick <= now; tick++) {
        wheel->tick = tick;
        run_slot(wheel, &wheel->slots[tick % GW_WHEEL_SLOTS], now_ms);
    }
}
