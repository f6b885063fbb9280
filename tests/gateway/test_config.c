/* test_config.c: the configuration file and the options. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <unistd.h>

#include "config.h"
#include "run.h"

static int
read_text(const char *text, struct gw_config *config, struct hearth_err *err)
{
    char path[] = "/tmp/hearth-test-config-XXXXXX";
    int fd = mkstemp(path), status;

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    (void)close(fd);
    gw_config_default(config);
    status = gw_config_read(config, path, -1, err);
    (void)unlink(path);
    return status;
}

static void
test_a_file_sets_what_it_names(void **state)
{
    struct gw_config config;
    struct hearth_err err = {0};

    (void)state;
    assert_int_equal(read_text("# comment\nlisten = 127.0.0.1:99\n[hearthd]\nthreads=3\n"
                               "no-auth = true\ndrain_time = 2s\n",
                               &config, &err),
                     0);
    assert_string_equal(config.listen, "127.0.0.1:99");
    assert_int_equal(config.threads, 3);
    assert_int_equal(config.drain_time_ms, 2000);
    assert_true(config.no_auth);
    assert_string_equal(config.state, "/var/lib/hearth");
}

static void
expect_error(const char *text, const char *line, const char *word)
{
    struct gw_config config;
    struct hearth_err err = {0};

    assert_true(read_text(text, &config, &err) < 0);
    if (strstr(err.text, line) == NULL || strstr(err.text, word) == NULL)
        fail_msg("\"%s\" does not name %s and %s", err.text, line, word);
}

static void
test_what_is_wrong_is_named_with_file_and_line(void **state)
{
    (void)state;
    expect_error("listen = 1.1.1.1:1\n\nthreds = 2\n", ":3:", "threds");
    expect_error("threads = many\n", ":1:", "1 to 64");
    expect_error("threads = 65\n", ":1:", "1 to 64");
    expect_error("[other]\nthreads = 1\n", ":2:", "other");
    expect_error("drain_time = 5x\n", ":1:", "drain_time");
    expect_error("listen = 1.1.1.1:1\nnonsense\n", ":2:", "key = value");
    expect_error("nonsense\nthreads = 65\n", ":1:", "key = value");
    expect_error("threads = 65\nnonsense\n", ":1:", "1 to 64");
}

static void
test_an_indented_line_is_a_line_of_its_own(void **state)
{
    struct gw_config config;
    struct hearth_err err = {0};

    (void)state;
    assert_int_equal(read_text("admin_hosts = a.example\n  state = /b\n\t[hearthd]\n \n threads=2",
                               &config, &err),
                     0);
    assert_string_equal(config.admin_hosts, "a.example");
    assert_string_equal(config.state, "/b");
    assert_int_equal(config.threads, 2);
}

static void
test_a_line_that_would_be_cut_is_refused(void **state)
{
    char text[512];

    (void)state;
    (void)snprintf(text, sizeof text, "threads = 2\nstate = /%0250d\n", 0);
    expect_error(text, ":2:", "longer than");
    (void)snprintf(text, sizeof text, "#%0250d\nthreads = 65\n", 0);
    expect_error(text, ":1:", "longer than");
}

static void
test_a_folder_is_no_configuration(void **state)
{
    struct gw_config config;
    struct hearth_err err = {0};

    (void)state;
    gw_config_default(&config);
    assert_true(gw_config_read(&config, "/", -1, &err) < 0);
    assert_non_null(strstr(err.text, "read /"));
}

static void
test_options_win_over_the_file(void **state)
{
    char path[] = "/tmp/hearth-test-config-XXXXXX";
    char *argv[] = {(char *)"--threads=5", (char *)"--config", path, (char *)"--state",
                    (char *)"/s"};
    struct gw_config config;
    struct hearth_err err = {0};
    int fd = mkstemp(path);

    (void)state;
    assert_int_equal(write(fd, "threads = 2\nlisten = 127.0.0.1:5\n", 33), 33);
    (void)close(fd);
    gw_config_default(&config);
    assert_int_equal(gw_config_arguments(&config, 5, argv, &err), 0);
    assert_int_equal(config.threads, 5);
    assert_string_equal(config.listen, "127.0.0.1:5");
    assert_string_equal(config.state, "/s");
    (void)unlink(path);
}

static int
check(const char *listen, const char *admin, bool no_auth)
{
    struct gw_config config;

    gw_config_default(&config);
    (void)strcpy(config.listen, listen);
    (void)strcpy(config.admin, admin);
    config.no_auth = no_auth;
    return gw_config_check(&config, NULL);
}

static void
test_no_auth_is_for_loopback_and_unix_alone(void **state)
{
    (void)state;
    assert_int_equal(check("127.0.0.1:80", "", true), 0);
    assert_int_equal(check("[::1]:80", "", true), 0);
    assert_int_equal(check("0.0.0.0:80", "unix:/run/x", true), 0);
    assert_true(check("0.0.0.0:80", "", true) < 0);
    assert_true(check("127.0.0.1:80", "10.0.0.1:81", true) < 0);
    assert_true(check("127.example.org:80", "", true) < 0); /* an ordinary host name */
    assert_int_equal(check("0.0.0.0:80", "", false), 0);
    assert_true(check("nonsense", "", false) < 0);
    assert_true(check("1.1.1.1:70000", "", false) < 0);
    assert_true(check("unix:relative", "", false) < 0);
}

static void
test_unknown_options_and_missing_values_are_refused(void **state)
{
    char *unknown[] = {(char *)"--thread", (char *)"1"};
    char *missing[] = {(char *)"--threads"};
    struct gw_config config;
    struct hearth_err err = {0};

    (void)state;
    gw_config_default(&config);
    assert_true(gw_config_arguments(&config, 2, unknown, &err) < 0);
    assert_non_null(strstr(err.text, "--thread"));
    assert_true(gw_config_arguments(&config, 1, missing, &err) < 0);
    assert_non_null(strstr(err.text, "1 to 64"));
}

static void
test_an_unknown_name_is_answered_with_the_nearest(void **state)
{
    char option[] = "--memry-budget=1G";
    char *arguments[] = {option};
    struct gw_config config;
    struct hearth_err err = {0};

    (void)state;
    expect_error("drain_tim = 2s\n", ":1:", "did you mean \"drain_time\"?");
    expect_error("[hearthd]\nacces_log = json\n", ":2:", "did you mean \"access_log\"?");
    expect_error("check = true\n", ":1:", "unknown key");
    expect_error("fixed = ff\n", ":1:", "unknown key");
    expect_error("access_log = loud\n", ":1:", "off, common, combined or json");
    gw_config_default(&config);
    assert_true(gw_config_arguments(&config, 1, arguments, &err) < 0);
    assert_non_null(strstr(err.text, "did you mean \"--memory-budget\"?"));
}

/* What the command line gave stays; the rest is adopted, or named. */
static void
test_a_reload_adopts_what_it_can_and_names_the_rest(void **state)
{
    char drain[] = "--drain-time=3s", threads[] = "--threads=2";
    char *arguments[] = {drain, threads};
    struct gw_config config, next;
    struct hearth_err err = {0};
    char rest[256];

    (void)state;
    gw_config_default(&config);
    assert_int_equal(gw_config_arguments(&config, 2, arguments, &err), 0);
    config.body_timeout_ms = 7000; /* as an earlier file had it, which does not name it any more */
    assert_int_equal(read_text("drain_time = 9s\nthreads = 5\nqueue_calls = 10\nlisten = "
                               "127.0.0.1:1\naccess_log = json\n",
                               &next, &err),
                     0);
    gw_config_keep_fixed(&next, &config);
    gw_config_adopt(&config, &next, rest, sizeof rest);
    assert_int_equal(config.drain_time_ms, 3000);
    assert_int_equal(config.body_timeout_ms, 30000);
    assert_int_equal(config.access_log, 3);
    assert_int_equal(config.threads, 2);
    assert_string_equal(config.listen, "127.0.0.1:8080");
    assert_string_equal(rest, "listen, queue_calls");
}

/* What hearthd passes to the gateway is what it read. */
static void
test_arguments_of_the_gateway_are_the_same_configuration(void **state)
{
    static char storage[GW_CONFIG_OPTIONS][320];
    char *argv[GW_CONFIG_OPTIONS + 1];
    char drain[] = "--drain-time=3s";
    char *arguments[] = {drain};
    struct gw_config config, copy;
    struct hearth_err err = {0};
    int n;

    (void)state;
    assert_int_equal(read_text("log_format = json\naccess_log = combined\nspread = yes\n"
                               "memory_budget = 1G\nadmin_hosts = a.example\n",
                               &config, &err),
                     0);
    assert_int_equal(gw_config_arguments(&config, 1, arguments, &err), 0);
    n = gw_config_to_arguments(&config, storage, argv);
    gw_config_default(&copy);
    assert_true(gw_config_arguments(&copy, n, argv, &err) < 0); /* not from a user */
    gw_config_default(&copy);
    assert_int_equal(gw_config_from_hearthd(&copy, n, argv, &err), 0);
    assert_memory_equal(&copy, &config, sizeof copy);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_file_sets_what_it_names),
        cmocka_unit_test(test_what_is_wrong_is_named_with_file_and_line),
        cmocka_unit_test(test_an_indented_line_is_a_line_of_its_own),
        cmocka_unit_test(test_a_line_that_would_be_cut_is_refused),
        cmocka_unit_test(test_a_folder_is_no_configuration),
        cmocka_unit_test(test_options_win_over_the_file),
        cmocka_unit_test(test_no_auth_is_for_loopback_and_unix_alone),
        cmocka_unit_test(test_unknown_options_and_missing_values_are_refused),
        cmocka_unit_test(test_an_unknown_name_is_answered_with_the_nearest),
        cmocka_unit_test(test_a_reload_adopts_what_it_can_and_names_the_rest),
        cmocka_unit_test(test_arguments_of_the_gateway_are_the_same_configuration),
    };

    return RUN_TESTS("config", tests, NULL, NULL);
}
