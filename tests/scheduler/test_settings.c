/* test_settings.c: the table of settings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>

#include "run.h"
#include "settings.h"

static int
set(struct sch_settings *s, const char *name, const char *text)
{
    const struct sch_setting *row = sch_setting_find(name);

    assert_non_null(row);
    return sch_setting_from_text(row, text, 0, s);
}

static void
test_defaults_are_those_of_the_contract(void **state)
{
    struct sch_settings s;

    (void)state;
    sch_settings_default(&s);
    assert_int_equal(s.memory, 64 << 20);
    assert_int_equal(s.timeout_ms, 5000);
    assert_int_equal(s.min, 0);
    assert_int_equal(s.max, 8);
    assert_int_equal(s.idle_timeout_ms, 60000);
    assert_int_equal(s.queue, 256);
    assert_int_equal(s.queue_timeout_ms, 5000);
    assert_int_equal(s.max_body, 1 << 20);
    assert_int_equal(s.recycle_calls, 0);
    assert_int_equal(s.recycle_memory, 90);
}

static void
test_texts_are_taken_in_their_range(void **state)
{
    struct sch_settings s;

    (void)state;
    sch_settings_default(&s);
    assert_int_equal(set(&s, "memory", "4M"), 0);
    assert_int_equal(s.memory, 4 << 20);
    assert_int_equal(set(&s, "memory", "4194303"), -EINVAL);
    assert_int_equal(set(&s, "timeout", "1h"), 0);
    assert_int_equal(set(&s, "timeout", "61m"), -EINVAL);
    assert_int_equal(set(&s, "max", "0"), -EINVAL);
    assert_int_equal(set(&s, "max", "4K"), -EINVAL);
    assert_int_equal(set(&s, "network", "none"), -EINVAL); /* not a number: the gateway's */
    assert_int_equal(s.memory, 4 << 20);
}

static void
test_the_hosts_memory_is_a_bound(void **state)
{
    const struct sch_setting *row = sch_setting_find("memory");
    struct sch_settings s;

    (void)state;
    sch_settings_default(&s);
    assert_int_equal(sch_setting_from_text(row, "2G", 1 << 30, &s), -EINVAL);
    assert_int_equal(sch_setting_from_text(row, "1G", 1 << 30, &s), 0);
}

static void
test_min_over_max_is_a_conflict(void **state)
{
    struct sch_settings s;
    char text[64];

    (void)state;
    sch_settings_default(&s);
    assert_null(sch_settings_conflict(&s, text, sizeof text));
    s.min = 9;
    assert_string_equal(sch_settings_conflict(&s, text, sizeof text), "min");
}

static void
test_every_row_is_found_by_its_name(void **state)
{
    (void)state;
    for (unsigned i = 0; i < sch_setting_count; i++)
        assert_ptr_equal(sch_setting_find(sch_setting_table[i].name), &sch_setting_table[i]);
    assert_null(sch_setting_find("colour"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults_are_those_of_the_contract),
        cmocka_unit_test(test_texts_are_taken_in_their_range),
        cmocka_unit_test(test_the_hosts_memory_is_a_bound),
        cmocka_unit_test(test_min_over_max_is_a_conflict),
        cmocka_unit_test(test_every_row_is_found_by_its_name),
    };

    return RUN_TESTS("settings", tests, NULL, NULL);
}
