/* test_states.c: a table of every slot state and every event that can occur in it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "run.h"
#include "scheduler.h"

#define MS   INT64_C(1000000)
#define GONE SCH_SLOT_STATE_COUNT /* the slot does not exist any more */
#define NOT  (-1)                 /* impossible in this state */

struct bench {
    struct sch *sch;
    struct sch_function f;
    struct sch_slot *slot;
    struct sch_call first, second;
    int64_t now;
    bool gone;
};

static void
drain(struct bench *b)
{
    struct sch_action a;

    while (sch_next_action(b->sch, 0, &a))
        if (a.type == SCH_LAUNCH && b->slot == NULL)
            b->slot = a.slot;
}

static void
bring_to(struct bench *b, enum sch_slot_state state)
{
    struct sch_settings s;

    memset(b, 0, sizeof *b);
    b->now = 1000 * MS;
    b->sch = sch_new(&(struct sch_config){.cores = 2, .lanes = 1});
    sch_settings_default(&s);
    s.max = 1;
    sch_function_init(&b->f, &s);
    sch_call_arrived(b->sch, &b->f, &b->first, b->now);
    drain(b);
    if (state == SCH_SLOT_STARTING)
        return;
    sch_slot_ready(b->sch, b->slot, b->now);
    drain(b);
    if (state == SCH_SLOT_BUSY)
        return;
    sch_call_done(b->sch, &b->first, b->now);
    if (state == SCH_SLOT_RETIRING)
        sch_slot_doom(b->sch, b->slot, SCH_END_CRASHED, b->now);
    drain(b);
}

static void
on_ready(struct bench *b)
{
    sch_slot_ready(b->sch, b->slot, b->now);
}

static void
on_arrival(struct bench *b)
{
    sch_call_arrived(b->sch, &b->f, &b->second, b->now);
}

static void
on_done(struct bench *b)
{
    sch_call_done(b->sch, &b->first, b->now);
}

static void
on_lost(struct bench *b)
{
    sch_call_lost(b->sch, &b->first);
    sch_slot_gone(b->sch, b->slot, false, b->now);
    b->gone = true;
}

static void
on_gone(struct bench *b)
{
    sch_slot_gone(b->sch, b->slot, false, b->now);
    b->gone = true;
}

static void
on_failed(struct bench *b)
{
    sch_slot_gone(b->sch, b->slot, true, b->now);
    b->gone = true;
}

static void
on_doom(struct bench *b)
{
    sch_slot_doom(b->sch, b->slot, SCH_END_CRASHED, b->now);
}

static void
on_new_version(struct bench *b)
{
    sch_function_change(b->sch, &b->f, &b->f.settings, b->f.generation + 1, b->now);
}

static void
on_removal(struct bench *b)
{
    sch_function_remove(b->sch, &b->f, b->now);
}

static void
on_long_time(struct bench *b)
{
    b->now += 120000 * MS;
    sch_tick(b->sch, b->now);
}

static void
on_shrunk(struct bench *b)
{
    sch_slot_shrunk(b->sch, b->slot, b->slot->memory / 2, b->now);
}

static void
on_pause(struct bench *b)
{
    sch_slot_pause(b->sch, b->slot, b->now);
}

static const struct {
    const char *name;
    void (*happen)(struct bench *b);
    int next[SCH_SLOT_STATE_COUNT];
} table[] = {
#define ROW(name, starting, idle, busy, retiring)                                                  \
    {                                                                                              \
#name, name,                                                                               \
        {                                                                                          \
            [SCH_SLOT_STARTING] = (starting), [SCH_SLOT_IDLE] = (idle), [SCH_SLOT_BUSY] = (busy),  \
            [SCH_SLOT_RETIRING] = (retiring)                                                       \
        }                                                                                          \
    }
    ROW(on_ready, SCH_SLOT_BUSY, NOT, NOT, NOT), /* a call waits for it */
    ROW(on_arrival, SCH_SLOT_STARTING, SCH_SLOT_BUSY, SCH_SLOT_BUSY, SCH_SLOT_RETIRING),
    ROW(on_done, NOT, NOT, SCH_SLOT_IDLE, NOT),
    ROW(on_lost, NOT, NOT, GONE, NOT),
    ROW(on_gone, GONE, GONE, NOT, GONE),
    ROW(on_failed, GONE, NOT, NOT, NOT),
    ROW(on_doom, SCH_SLOT_STARTING, SCH_SLOT_RETIRING, SCH_SLOT_BUSY, SCH_SLOT_RETIRING),
    ROW(on_new_version, SCH_SLOT_STARTING, SCH_SLOT_RETIRING, SCH_SLOT_BUSY, SCH_SLOT_RETIRING),
    ROW(on_removal, SCH_SLOT_STARTING, SCH_SLOT_RETIRING, SCH_SLOT_BUSY, SCH_SLOT_RETIRING),
    ROW(on_long_time, SCH_SLOT_STARTING, SCH_SLOT_RETIRING, SCH_SLOT_BUSY, SCH_SLOT_RETIRING),
    ROW(on_pause, SCH_SLOT_STARTING, SCH_SLOT_STARTING, SCH_SLOT_BUSY, SCH_SLOT_RETIRING),
    ROW(on_shrunk, SCH_SLOT_STARTING, SCH_SLOT_IDLE, SCH_SLOT_BUSY, SCH_SLOT_RETIRING),
};

static void
tear_down(struct bench *b)
{
    if (!b->f.removed)
        sch_function_remove(b->sch, &b->f, b->now);
    drain(b);
    for (int s = 0; s < SCH_SLOT_STATE_COUNT; s++)
        while (b->f.slots[s].head != NULL) {
            struct sch_slot *slot = b->f.slots[s].head;

            if (slot->runs.head != NULL)
                sch_call_lost(b->sch, slot->runs.head);
            sch_slot_gone(b->sch, slot, false, b->now);
            drain(b);
        }
    assert_true(sch_function_empty(&b->f));
    assert_int_equal(sch_used_bytes(b->sch), 0);
    sch_free(b->sch);
}

static void
test_every_state_meets_every_event(void **state)
{
    struct bench b;

    (void)state;
    for (size_t row = 0; row < sizeof table / sizeof table[0]; row++)
        for (int s = 0; s < SCH_SLOT_STATE_COUNT; s++) {
            int wanted = table[row].next[s], got;

            if (wanted == NOT)
                continue;
            bring_to(&b, s);
            assert_int_equal(b.slot->state, s);
            table[row].happen(&b);
            drain(&b);
            got = b.gone ? GONE : (int)b.slot->state;
            if (got != wanted)
                fail_msg("%s in state %s: got state %d, expected %d", table[row].name,
                         sch_slot_state_name(s), got, wanted);
            tear_down(&b);
        }
}

/* A slot that was doomed while it was starting or running retires afterwards. */
static void
test_a_doomed_slot_retires_when_it_can(void **state)
{
    static void (*const dooms[])(struct bench *) = {on_doom, on_new_version, on_removal};
    struct bench b;

    (void)state;
    for (size_t i = 0; i < sizeof dooms / sizeof dooms[0]; i++) {
        bring_to(&b, SCH_SLOT_BUSY);
        dooms[i](&b);
        sch_call_done(b.sch, &b.first, b.now);
        assert_int_equal(b.slot->state, SCH_SLOT_RETIRING);
        tear_down(&b);
        bring_to(&b, SCH_SLOT_STARTING);
        dooms[i](&b);
        sch_slot_ready(b.sch, b.slot, b.now);
        assert_int_equal(b.slot->state, SCH_SLOT_RETIRING);
        tear_down(&b);
    }
}

/* Takes all actions; whether one of them says that the slot is paused. */
static bool
was_paused(struct bench *b)
{
    struct sch_action a;
    bool paused = false;

    while (sch_next_action(b->sch, 0, &a))
        paused = paused || (a.type == SCH_PAUSED && a.slot == b->slot);
    return paused;
}

/* The calls that come meanwhile wait; no other event puts one into it. */
static void
test_a_paused_slot_runs_nothing_until_it_is_resumed(void **state)
{
    static const enum sch_slot_state states[] = {SCH_SLOT_STARTING, SCH_SLOT_IDLE, SCH_SLOT_BUSY};
    struct bench b;

    (void)state;
    for (size_t i = 0; i < sizeof states / sizeof states[0]; i++) {
        bring_to(&b, states[i]);
        sch_slot_pause(b.sch, b.slot, b.now);
        assert_true(was_paused(&b) == (states[i] == SCH_SLOT_IDLE));
        sch_call_arrived(b.sch, &b.f, &b.second, b.now);
        if (states[i] == SCH_SLOT_STARTING)
            sch_slot_ready(b.sch, b.slot, b.now);
        else if (states[i] == SCH_SLOT_BUSY)
            sch_call_done(b.sch, &b.first, b.now);
        assert_true(was_paused(&b) == (states[i] != SCH_SLOT_IDLE));
        assert_true(b.slot->paused);
        assert_int_equal(b.second.state, SCH_CALL_WAITING);
        sch_tick(b.sch, b.now + 100 * MS);
        drain(&b);
        assert_int_equal(b.slot->state, SCH_SLOT_STARTING);
        assert_null(b.slot->runs.head);
        sch_slot_resume(b.sch, b.slot, b.now + 100 * MS);
        assert_int_equal(b.slot->state, SCH_SLOT_BUSY);
        tear_down(&b);

        bring_to(&b, states[i]);
        sch_slot_pause(b.sch, b.slot, b.now);
        sch_slot_doom(b.sch, b.slot, SCH_END_CRASHED, b.now);
        if (states[i] == SCH_SLOT_BUSY)
            sch_call_done(b.sch, &b.first, b.now);
        else if (states[i] == SCH_SLOT_STARTING)
            sch_slot_ready(b.sch, b.slot, b.now);
        else
            sch_slot_resume(b.sch, b.slot, b.now);
        assert_int_equal(b.slot->state, SCH_SLOT_RETIRING);
        tear_down(&b);
    }
}

/* An instance dies while a call is on its way to it: the call goes to the next one, whose slot may
 * have the same record. */
static void
test_no_action_is_about_a_slot_that_has_gone(void **state)
{
    struct sch_action a;
    struct sch_slot *dead;
    struct bench b;
    bool launched = false;

    (void)state;
    bring_to(&b, SCH_SLOT_IDLE);
    dead = b.slot;
    sch_slot_pause(b.sch, b.slot, b.now);
    drain(&b);
    sch_call_arrived(b.sch, &b.f, &b.second, b.now);
    sch_slot_resume(b.sch, b.slot, b.now); /* SCH_DISPATCH, not taken yet */
    sch_slot_gone(b.sch, b.slot, false, b.now);
    while (sch_next_action(b.sch, 0, &a)) {
        assert_int_equal(a.type, SCH_LAUNCH);
        assert_ptr_equal(a.slot, dead); /* the same record */
        launched = true;
        b.slot = a.slot;
    }
    assert_true(launched);
    assert_int_equal(b.second.state, SCH_CALL_WAITING);
    sch_slot_ready(b.sch, b.slot, b.now);
    assert_true(sch_next_action(b.sch, 0, &a));
    assert_int_equal(a.type, SCH_DISPATCH);
    assert_ptr_equal(a.call, &b.second);
    tear_down(&b);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_state_meets_every_event),
        cmocka_unit_test(test_a_doomed_slot_retires_when_it_can),
        cmocka_unit_test(test_a_paused_slot_runs_nothing_until_it_is_resumed),
        cmocka_unit_test(test_no_action_is_about_a_slot_that_has_gone),
    };

    return RUN_TESTS("states", tests, NULL, NULL);
}
