/* test_state.c: what survives a restart, and the examples with real input. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness.h"
#include "run.h"

#define HELLO                                                                                      \
    "#include <hearth.h>\n"                                                                        \
    "int hearth_handle(hearth_call *call) { return hearth_printf(call, \"hello\"); }\n"

static void
expect_hello(const struct daemon *d, const char *path)
{
    struct reply r = get(d, path);

    if (r.status != 200 || strcmp(r.body, "hello") != 0)
        fail_msg("%ld %s", r.status, r.body);
    reply_free(&r);
}

static void
test_a_restart_serves_the_same_functions_without_a_build(void **state)
{
    struct daemon d = {0};
    char path[256];
    struct stat before, after;
    struct reply r;

    (void)state;
    daemon_start(&d);
    deploy_ok(&d, "kept", "memory=16M&env=%7B%22A%22%3A%22b%22%7D&libs=m", HELLO);
    r = http(&d, &(struct request){.method = "PATCH",
                                   .path = "/v1/functions/kept",
                                   .body = "{\"timeout\": \"7s\"}",
                                   .len = 17});
    assert_int_equal(r.status, 200);
    reply_free(&r);
    (void)snprintf(path, sizeof path, "%s/functions/kept/1/function.so", d.state);
    assert_int_equal(stat(path, &before), 0);
    assert_int_equal(daemon_stop(&d), 0);
    daemon_start(&d);
    expect_hello(&d, "/function/kept");
    assert_int_equal(stat(path, &after), 0);
    assert_int_equal(before.st_ino, after.st_ino);
    assert_int_equal(before.st_mtime, after.st_mtime);
    r = get(&d, "/v1/functions/kept");
    assert_int_equal(reply_number(&r, "version"), 1);
    assert_int_equal(
        json_integer_value(json_object_get(json_object_get(r.json, "settings"), "timeout")), 7000);
    assert_int_equal(
        json_integer_value(json_object_get(json_object_get(r.json, "settings"), "memory")),
        16 << 20);
    reply_free(&r);
    daemon_remove(&d);
}

static void
make(const char *state, const char *path, const char *text)
{
    char whole[512], owner[256];
    FILE *file;

    struct stat st;

    (void)snprintf(whole, sizeof whole, "%s/%s", state, path);
    if (text == NULL) {
        assert_int_equal(mkdir(whole, 0755), 0);
    } else {
        file = fopen(whole, "we");
        assert_non_null(file);
        (void)fputs(text, file);
        (void)fclose(file);
    }
    /* with the owner that the gateway would have given it */
    (void)snprintf(owner, sizeof owner, "%s/functions", state);
    assert_int_equal(stat(owner, &st), 0);
    assert_int_equal(chown(whole, st.st_uid, st.st_gid), 0);
}

static void
test_what_is_half_written_is_removed_at_start(void **state)
{
    struct daemon d = {0};
    char path[256];
    struct reply r;

    (void)state;
    daemon_start(&d);
    deploy_ok(&d, "kept", "", HELLO);
    assert_int_equal(daemon_stop(&d), 0);
    make(d.state, "functions/kept/tmp-2", NULL);
    make(d.state, "functions/kept/tmp-2/function.so", "half");
    make(d.state, "functions/half", NULL);
    make(d.state, "functions/half/tmp-1", NULL);
    daemon_start(&d);
    (void)snprintf(path, sizeof path, "%s/functions/kept/tmp-2", d.state);
    assert_int_not_equal(access(path, F_OK), 0);
    (void)snprintf(path, sizeof path, "%s/functions/half", d.state);
    assert_int_not_equal(access(path, F_OK), 0);
    expect_hello(&d, "/function/kept");
    r = get(&d, "/function/half");
    assert_int_equal(r.status, 404);
    reply_free(&r);
    daemon_remove(&d);
}

static json_int_t
setting(const struct daemon *d, const char *path, const char *name)
{
    struct reply r = get(d, path);
    json_int_t value =
        json_integer_value(json_object_get(json_object_get(r.json, "settings"), name));

    reply_free(&r);
    return value;
}

/* A start removes the leftovers of an unfinished deploy, and no unknown files. */
static void
test_a_start_removes_neither_versions_nor_foreign_files(void **state)
{
    static const char *const kept[] = {"functions/found/1/function.so", "functions/lost+found/x",
                                       "functions/Backup/hello/1/function.so"};
    struct daemon d = {0};
    char path[256];

    (void)state;
    daemon_start(&d);
    deploy_ok(&d, "found", "memory=16M", HELLO);
    assert_int_equal(daemon_stop(&d), 0);
    (void)snprintf(path, sizeof path, "%s/functions/found/live", d.state);
    assert_int_equal(unlink(path), 0); /* simulates a damaged file system */
    make(d.state, "functions/lost+found", NULL);
    make(d.state, "functions/lost+found/x", "somebody's");
    make(d.state, "functions/Backup", NULL);
    make(d.state, "functions/Backup/hello", NULL);
    make(d.state, "functions/Backup/hello/1", NULL);
    make(d.state, "functions/Backup/hello/1/function.so", "somebody's");
    daemon_start(&d);
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", d.state, kept[i]);
        if (access(path, F_OK) != 0)
            fail_msg("%s was removed", kept[i]);
    }
    deploy_ok(&d, "found", "memory=16M", HELLO); /* the existing files are moved aside */
    expect_hello(&d, "/function/found");
    (void)snprintf(path, sizeof path, "%s/functions/.lost-found/1/function.so", d.state);
    assert_int_equal(access(path, F_OK), 0);
    assert_int_equal(daemon_stop(&d), 0);
    daemon_start(&d);
    expect_hello(&d, "/function/found");
    daemon_remove(&d);
}

static void
test_a_setting_that_is_refused_at_start_drops_no_other(void **state)
{
    static const char *const smaller[] = {"--memory-budget", "256M", NULL};
    struct daemon d = {0};

    (void)state;
    daemon_start(&d);
    deploy_ok(&d, "large", "memory=512M&timeout=2s&max=3&queue=9", HELLO);
    assert_int_equal(daemon_stop(&d), 0);
    daemon_start_with(&d, smaller);
    assert_int_equal(setting(&d, "/v1/functions/large", "memory"), 256 << 20);
    assert_int_equal(setting(&d, "/v1/functions/large", "timeout"), 2000);
    assert_int_equal(setting(&d, "/v1/functions/large", "max"), 3);
    assert_int_equal(setting(&d, "/v1/functions/large", "queue"), 9);
    expect_hello(&d, "/function/large");
    daemon_remove(&d);
}

static void
damage(const struct daemon *d, const char *path)
{
    char whole[512];

    (void)snprintf(whole, sizeof whole, "%s/%s", d->state, path);
    assert_int_equal(truncate(whole, 3), 0);
}

/* Unreadable files stay on disk and do not prevent a new deploy. */
static void
test_damaged_versions_are_left_out_and_in_nobodys_way(void **state)
{
    struct daemon d = {0};
    struct reply r;
    char path[512];

    (void)state;
    daemon_start(&d);
    for (int i = 0; i < 3; i++) {
        deploy_ok(&d, "newest", "memory=16M", HELLO);
        deploy_ok(&d, "lost", "memory=16M", HELLO);
    }
    r = http(&d, &(struct request){.method = "POST",
                                   .path = "/v1/functions/newest/rollback",
                                   .body = "{\"version\": 1}",
                                   .len = 14});
    assert_int_equal(r.status, 200);
    reply_free(&r);
    assert_int_equal(daemon_stop(&d), 0);
    damage(&d, "functions/newest/3/function.json");
    damage(&d, "functions/lost/3/function.json");
    daemon_start(&d);
    expect_hello(&d, "/function/newest");
    deploy_ok(&d, "newest", "", HELLO);
    wait_for_figure(&d, "newest", NULL, "version", 4);
    r = get(&d, "/function/lost");
    assert_int_equal(r.status, 404);
    reply_free(&r);
    deploy_ok(&d, "lost", "memory=16M", HELLO);
    expect_hello(&d, "/function/lost");
    (void)snprintf(path, sizeof path, "%s/functions/.lost-lost/2/function.so", d.state);
    assert_int_equal(access(path, F_OK), 0);
    daemon_remove(&d);
}

static void
test_a_state_folder_in_use_is_refused(void **state)
{
    struct daemon d = {0};
    char command[512];

    (void)state;
    daemon_start(&d);
    (void)snprintf(command, sizeof command,
                   "%s/bin/hearthd --listen 127.0.0.1:0 --state %s 2>&1 | grep -q 'does another'",
                   getenv("HEARTH_PREFIX"), d.state);
    assert_int_equal(system(command), 0);
    daemon_remove(&d);
}

static void
test_an_admin_listener_of_its_own_keeps_v1_off_the_other(void **state)
{
    struct daemon d = {0};
    char admin[160], command[512];
    const char *options[] = {"--admin", admin, "--no-auth", NULL};
    struct reply r;

    (void)state;
    (void)snprintf(d.state, sizeof d.state, "/tmp/hearth-test-XXXXXX");
    assert_non_null(mkdtemp(d.state));
    (void)snprintf(admin, sizeof admin, "unix:%s.sock", d.state);
    daemon_start_with(&d, options);
    r = get(&d, "/v1/functions");
    assert_int_equal(r.status, 404);
    reply_free(&r);
    (void)snprintf(command, sizeof command,
                   "curl -s --unix-socket %s http://localhost/v1/functions | grep -q functions",
                   admin + 5);
    assert_int_equal(system(command), 0);
    daemon_remove(&d);
}

/* ---- the examples, with real input ---- */

/* The output of a command. The caller frees it. */
static char *
output_of(const char *command)
{
    FILE *pipe = popen(command, "re");
    char *all = calloc(1, 4096);

    assert_non_null(pipe);
    (void)!fread(all, 1, 4095, pipe);
    assert_int_equal(pclose(pipe), 0);
    return all;
}

static void
example(const struct daemon *d, const char *name)
{
    char path[512];

    (void)snprintf(path, sizeof path, "%s/%s.c", getenv("HEARTH_EXAMPLES"), name);
    deploy_file(d, name, "memory=16M&max_body=8M", path);
}

static void
test_wordcount_answers_as_wc_does_for_the_gpl(void **state)
{
    static const char gpl[] = "/usr/share/common-licenses/GPL-3";
    struct reply r;
    size_t len;
    char *text = read_whole(gpl, &len),
         *wanted = output_of("LC_ALL=C /usr/bin/wc < /usr/share/common-licenses/GPL-3");

    example(*state, "wordcount");
    r = post(*state, "/function/wordcount", text, len);
    assert_int_equal(r.status, 200);
    assert_string_equal(r.body, wanted);
    reply_free(&r);
    free(wanted);
    free(text);
}

static void
test_sha256_answers_as_sha256sum_does(void **state)
{
    static const size_t sizes[] = {0, 1, 55, 56, 64, 1 << 20};
    unsigned char *bytes = malloc(1 << 20);

    example(*state, "sha256");
    fill_random(bytes, 1 << 20);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        char path[] = "/tmp/hearth-test-sha-XXXXXX", command[128], *wanted;
        int fd = mkstemp(path);
        struct reply r;

        assert_true(fd >= 0);
        assert_int_equal(write(fd, bytes, sizes[i]), (ssize_t)sizes[i]);
        (void)close(fd);
        (void)snprintf(command, sizeof command, "sha256sum < %s", path);
        wanted = output_of(command);
        r = post(*state, "/function/sha256", bytes, sizes[i]);
        assert_int_equal(r.status, 200);
        assert_string_equal(r.body, wanted);
        reply_free(&r);
        free(wanted);
        (void)unlink(path);
    }
    free(bytes);
}

static void
test_hello_greets_by_name(void **state)
{
    struct reply r;

    example(*state, "hello");
    r = get(*state, "/function/hello?name=Ada+L%2E");
    assert_string_equal(r.body, "hello, Ada L.\n");
    reply_free(&r);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_restart_serves_the_same_functions_without_a_build),
        cmocka_unit_test(test_what_is_half_written_is_removed_at_start),
        cmocka_unit_test(test_a_start_removes_neither_versions_nor_foreign_files),
        cmocka_unit_test(test_a_setting_that_is_refused_at_start_drops_no_other),
        cmocka_unit_test(test_damaged_versions_are_left_out_and_in_nobodys_way),
        cmocka_unit_test(test_a_state_folder_in_use_is_refused),
        cmocka_unit_test(test_an_admin_listener_of_its_own_keeps_v1_off_the_other),
        cmocka_unit_test_setup_teardown(test_wordcount_answers_as_wc_does_for_the_gpl, group_start,
                                        group_stop),
        cmocka_unit_test_setup_teardown(test_sha256_answers_as_sha256sum_does, group_start,
                                        group_stop),
        cmocka_unit_test_setup_teardown(test_hello_greets_by_name, group_start, group_stop),
    };

    return RUN_TESTS("state", tests, NULL, NULL);
}
