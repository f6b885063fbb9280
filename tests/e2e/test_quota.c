/* test_quota.c: what a daemon keeps is bounded: functions, and disk, by its options and by the
 * file system. What does not fit is refused whole, and what was there serves on. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness.h"
#include "run.h"

#define HANDLE(text)                                                                               \
    "#include <hearth.h>\n"                                                                        \
    "int hearth_handle(hearth_call *c) { return hearth_printf(c, \"" text "\"); }\n"

/* Refused for want of space. Returns the fact of that name. */
static json_int_t
expect_full(struct reply r, const char *fact)
{
    json_int_t value = fact != NULL ? reply_number(&r, fact) : 0;

    if (r.status != 507 || strcmp(reply_text(&r, "code"), "storage_full") != 0)
        fail_msg("want 507 storage_full, got %ld %s", r.status, r.body);
    reply_free(&r);
    return value;
}

static long long
used_bytes(const struct daemon *d)
{
    struct reply r = get(d, "/metrics");
    const char *at = strstr(r.body, "\nhearth_disk_used_bytes ");
    long long used = at != NULL ? atoll(at + strlen("\nhearth_disk_used_bytes ")) : -1;

    reply_free(&r);
    return used;
}

static bool
is_disk_free(void *user)
{
    return used_bytes(user) == 0;
}

static void
remove_function(const struct daemon *d, const char *path)
{
    struct reply r = http(d, &(struct request){.method = "DELETE", .path = path});

    assert_int_equal(r.status, 204);
    reply_free(&r);
}

static void
test_there_are_no_more_functions_than_allowed(void **state)
{
    struct daemon d = {0};

    (void)state;
    daemon_start_with(&d, (const char *const[]){"--max-functions=2", NULL});
    deploy_ok(&d, "one", "memory=16M", HANDLE("1"));
    deploy_ok(&d, "two", "memory=16M", HANDLE("2"));
    assert_int_equal(expect_full(deploy(&d, "three", "memory=16M", HANDLE("3")), "limit"), 2);
    deploy_ok(&d, "two", "", HANDLE("2b"));
    expect_body(&d, "/function/two", "2b");
    remove_function(&d, "/v1/functions/one");
    deploy_ok(&d, "three", "memory=16M", HANDLE("3"));
    expect_body(&d, "/function/three", "3");
    assert_int_equal(daemon_stop(&d), 0);
    daemon_remove(&d);
}

/* A source with a comment of so many bytes. */
static char *
long_source(const char *text, size_t bytes)
{
    char *source = malloc(bytes + strlen(text) + 16);

    assert_non_null(source);
    (void)sprintf(source, "%s/*", text);
    memset(source + strlen(text) + 2, 'x', bytes);
    memcpy(source + strlen(text) + 2 + bytes, "*/\n", 4);
    return source;
}

static void
test_versions_take_no_more_disk_than_allowed(void **state)
{
    static const char *const options[] = {"--disk-budget=2M", NULL};
    struct daemon d = {0};
    char *large = long_source(HANDLE("large"), 1500000);
    char *other = long_source(HANDLE("other"), 900000);
    long long used;

    (void)state;
    daemon_start_with(&d, options);
    deploy_ok(&d, "small", "memory=16M", HANDLE("small"));
    used = used_bytes(&d);
    assert_in_range(used, 8192, 200000);
    deploy_ok(&d, "large", "memory=16M", large);
    assert_in_range(used_bytes(&d), used + 1500000, used + 1700000);
    assert_in_range(expect_full(deploy(&d, "small", "", other), "needed"), 900000, 1100000);
    expect_body(&d, "/function/small", "small");
    expect_body(&d, "/function/large", "large");

    used = used_bytes(&d);
    assert_int_equal(daemon_stop(&d), 0);
    daemon_start_with(&d, options);
    assert_int_equal(used_bytes(&d), used);
    (void)expect_full(deploy(&d, "small", "", other), NULL);
    remove_function(&d, "/v1/functions/large");
    deploy_ok(&d, "small", "", other);
    expect_body(&d, "/function/small", "other");
    remove_function(&d, "/v1/functions/small");
    wait_for("all disk is free", is_disk_free, &d); /* once its instances have ended */
    assert_int_equal(daemon_stop(&d), 0);
    daemon_remove(&d);
    free(large);
    free(other);
}

/* A call of a deleted function still has its files open. */
static void
test_a_deleted_version_counts_until_its_last_call_has_ended(void **state)
{
    static const char holder[] =
        "#include <hearth.h>\n#include <unistd.h>\n"
        "int hearth_handle(hearth_call *c) { usleep(1500000); return hearth_printf(c, \"x\"); }\n";
    struct daemon d = {0};
    char *large = long_source(holder, 700000);
    int fd;

    (void)state;
    daemon_start_with(&d, (const char *const[]){"--disk-budget=1M", NULL});
    deploy_ok(&d, "held", "memory=16M", large);
    fd = raw_connect(&d);
    raw_send(fd, "GET /function/held HTTP/1.1\r\nHost: h\r\n\r\n", 40);
    wait_for_figure(&d, "held", "instances", "busy", 1);
    remove_function(&d, "/v1/functions/held");
    assert_true(used_bytes(&d) > 700000);
    (void)expect_full(deploy(&d, "next", "memory=16M", large), NULL);
    free(raw_receive(fd, "x"));
    (void)close(fd);
    wait_for("the disk of the deleted version is free", is_disk_free, &d);
    deploy_ok(&d, "next", "memory=16M", large);
    assert_int_equal(daemon_stop(&d), 0);
    daemon_remove(&d);
    free(large);
}

static void
test_a_full_file_system_is_an_error_and_loses_nothing(void **state)
{
    struct daemon d = {0};
    char *large = long_source(HANDLE("large"), 3000000);
    char *fits = long_source(HANDLE("fits"), 100000);

    (void)state;
    daemon_mount_state(&d, "2m");
    daemon_start(&d);
    deploy_ok(&d, "name", "memory=16M", HANDLE("first"));
    for (int i = 0; i < 3; i++)
        (void)expect_full(deploy(&d, "name", "", large), NULL);
    expect_body(&d, "/function/name", "first");
    deploy_ok(&d, "name", "", fits); /* nothing was left behind */
    expect_body(&d, "/function/name", "fits");
    assert_int_equal(daemon_stop(&d), 0);
    daemon_start(&d);
    expect_body(&d, "/function/name", "fits");
    assert_int_equal(daemon_stop(&d), 0);
    daemon_remove(&d);
    free(large);
    free(fits);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_are_no_more_functions_than_allowed),
        cmocka_unit_test(test_versions_take_no_more_disk_than_allowed),
        cmocka_unit_test(test_a_deleted_version_counts_until_its_last_call_has_ended),
        cmocka_unit_test(test_a_full_file_system_is_an_error_and_loses_nothing),
    };

    return RUN_TESTS("quota", tests, NULL, NULL);
}
