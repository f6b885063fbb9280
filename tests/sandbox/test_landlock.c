/* test_landlock.c: each test runs in a child process, because Landlock rules are permanent. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "landlock.h"
#include "run.h"

/* Opens the path; returns 0 or the errno. */
static int
try_open(const char *path, int flags)
{
    int fd = open(path, flags | O_CLOEXEC, 0600);

    if (fd < 0)
        return errno;
    (void)close(fd);
    return 0;
}

static void
in_child(void (*work)(const char *folder))
{
    char folder[] = "/tmp/hearth-landlock-XXXXXX", path[64];
    int status;
    pid_t pid;

    if (sbx_landlock_abi() == 0)
        fail_msg("this kernel has no Landlock: the layer cannot be tested here");
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof path, "%s/file", folder);
    assert_int_equal(try_open(path, O_WRONLY | O_CREAT), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        work(folder);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    (void)unlink(path);
    (void)snprintf(path, sizeof path, "%s/new", folder);
    (void)unlink(path);
    (void)rmdir(folder);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        fail_msg("the child's check in line %d failed", WEXITSTATUS(status));
}

#define CHECK(what)                                                                                \
    do {                                                                                           \
        if (!(what))                                                                               \
            _exit(__LINE__);                                                                       \
    } while (0)

static void
nothing_allowed(const char *folder)
{
    struct hearth_err err = {0};
    int rules;

    CHECK(sbx_landlock_begin(&rules, &err) == 0);
    CHECK(sbx_landlock_enforce(rules, &err) == 0);
    CHECK(try_open("/etc/passwd", O_RDONLY) == EACCES);
    CHECK(try_open(folder, O_RDONLY | O_DIRECTORY) == EACCES);
}

static void
one_folder_to_read(const char *folder)
{
    char path[64];
    struct hearth_err err = {0};
    int rules;

    (void)snprintf(path, sizeof path, "%s/file", folder);
    CHECK(sbx_landlock_begin(&rules, &err) == 0);
    CHECK(sbx_landlock_allow(rules, folder, SBX_LANDLOCK_READ, &err) == 0);
    CHECK(sbx_landlock_allow(rules, "/no/such/path", SBX_LANDLOCK_READ, &err) == 0);
    CHECK(sbx_landlock_enforce(rules, &err) == 0);
    CHECK(try_open(path, O_RDONLY) == 0);
    CHECK(try_open(path, O_WRONLY) == EACCES);
    CHECK(try_open(folder, O_RDONLY | O_DIRECTORY) == EACCES);
    CHECK(try_open("/etc/passwd", O_RDONLY) == EACCES);
}

static void
one_folder_to_change(const char *folder)
{
    char path[64];
    struct hearth_err err = {0};
    int rules;

    CHECK(sbx_landlock_begin(&rules, &err) == 0);
    CHECK(sbx_landlock_allow(rules, folder, SBX_LANDLOCK_CHANGE, &err) == 0);
    CHECK(sbx_landlock_enforce(rules, &err) == 0);
    (void)snprintf(path, sizeof path, "%s/new", folder);
    CHECK(try_open(path, O_RDWR | O_CREAT) == 0);
    CHECK(symlink("/etc/passwd", path) != 0);
    CHECK(try_open("/etc/passwd", O_RDONLY) == EACCES);
    CHECK(try_open("/tmp/hearth-landlock-outside", O_WRONLY | O_CREAT) == EACCES);
}

static void
one_file(const char *folder)
{
    char path[64];
    struct hearth_err err = {0};
    int rules, fd;

    (void)snprintf(path, sizeof path, "%s/file", folder);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    CHECK(sbx_landlock_begin(&rules, &err) == 0);
    CHECK(sbx_landlock_allow_fd(rules, fd, SBX_LANDLOCK_READ, &err) == 0);
    CHECK(sbx_landlock_enforce(rules, &err) == 0);
    CHECK(try_open(path, O_RDONLY) == 0);
    CHECK(try_open(path, O_WRONLY) == EACCES);
    (void)snprintf(path, sizeof path, "%s/new", folder);
    CHECK(try_open(path, O_WRONLY | O_CREAT) == EACCES);
}

static void
test_rules_that_allow_nothing_refuse_every_file(void **state)
{
    (void)state;
    in_child(nothing_allowed);
}

static void
test_a_folder_to_read_is_neither_listed_nor_written(void **state)
{
    (void)state;
    in_child(one_folder_to_read);
}

static void
test_a_folder_to_change_ends_at_its_edge(void **state)
{
    (void)state;
    in_child(one_folder_to_change);
}

static void
test_a_file_by_its_descriptor_is_the_only_one(void **state)
{
    (void)state;
    in_child(one_file);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rules_that_allow_nothing_refuse_every_file),
        cmocka_unit_test(test_a_folder_to_read_is_neither_listed_nor_written),
        cmocka_unit_test(test_a_folder_to_change_ends_at_its_edge),
        cmocka_unit_test(test_a_file_by_its_descriptor_is_the_only_one),
    };

    return RUN_TESTS("landlock", tests, NULL, NULL);
}
