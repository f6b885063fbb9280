/* test_network.c: functions that connect: to PostgreSQL, Redis and nginx themselves, and to servers
 * of the test. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness.h"
#include "run.h"
#include "shell.h"

static void
test_postgres_keeps_its_connection(void **state)
{
    (void)state;
    shell_script("postgres");
}

static void
test_redis_keeps_its_connection(void **state)
{
    (void)state;
    shell_script("redis");
}

static void
test_libcurl_reaches_a_server_with_tls(void **state)
{
    (void)state;
    shell_script("fetch");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_postgres_keeps_its_connection),
        cmocka_unit_test(test_redis_keeps_its_connection),
        cmocka_unit_test(test_libcurl_reaches_a_server_with_tls),
    };

    return RUN_TESTS("network", tests, shell_group_start, shell_group_stop);
}
