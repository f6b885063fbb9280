/* test_openapi.c: the description of the API, against a validator and against the daemon; and the
 * dashboard, which uses the API, in a browser. */
#include "harness.h"
#include "run.h"
#include "shell.h"

static void
test_the_description_is_valid(void **state)
{
    (void)state;
    shell_script("openapi_valid");
}

static void
test_every_path_and_every_code_is_as_described(void **state)
{
    (void)state;
    shell_script("openapi");
}

static void
test_the_dashboard_in_a_browser(void **state)
{
    (void)state;
    shell_script("dashboard");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_description_is_valid),
        cmocka_unit_test(test_every_path_and_every_code_is_as_described),
        cmocka_unit_test(test_the_dashboard_in_a_browser),
    };

    return RUN_TESTS("openapi", tests, shell_group_start, shell_group_stop);
}
