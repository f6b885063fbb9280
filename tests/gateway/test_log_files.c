/* test_log_files.c: the log of a function on disk. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "log_files.h"
#include "run.h"
#include "store.h"

#define MOST 65536

static char root[] = "/tmp/hearth-logs-XXXXXX";

static int
start(void **state)
{
    struct hearth_err err = {0};
    unsigned cleaned;

    (void)state;
    return mkdtemp(root) != NULL ? store_open(root, &cleaned, &err) : -1;
}

static int
stop(void **state)
{
    char command[64];

    (void)state;
    (void)snprintf(command, sizeof command, "rm -rf %s", root);
    return system(command);
}

static const char *
path_of(const char *name, const char *file)
{
    static char path[128];

    (void)snprintf(path, sizeof path, "%s/functions/%s/%s", root, name, file);
    return path;
}

static void
make_folder(const char *name)
{
    assert_int_equal(mkdir(path_of(name, ""), 0700), 0);
}

/* Appends one line. */
static int
add(const char *name, int64_t at_ms, int level, const char *id, const char *text)
{
    unsigned char bytes[4096] = {0};
    size_t n = output_space(strlen(id), strlen(text));
    struct output_line line = {.level = level,
                               .stream = OUTPUT_LOG,
                               .id = id,
                               .id_len = strlen(id),
                               .text = text,
                               .text_len = strlen(text)};
    struct log_chunk head = {LOG_MAGIC, (uint32_t)n, at_ms, 7};

    memcpy(bytes, &head, sizeof head);
    output_format(bytes + sizeof head, &line);
    return log_files_append(name, bytes, sizeof head + n, MOST);
}

/* The messages of the last lines, each followed by a comma. */
static const char *
messages(const char *name, const struct log_filter *filter, size_t lines)
{
    static char found[8192];
    size_t len, used = 0;
    char *text = log_files_read(name, filter, lines, &len);

    assert_non_null(text);
    assert_int_equal(strlen(text), len);
    found[0] = '\0';
    for (const char *at = text; (at = strstr(at, "\"message\":\"")) != NULL;) {
        at += strlen("\"message\":\"");
        used += (size_t)snprintf(found + used, sizeof found - used, "%.*s,", (int)strcspn(at, "\""),
                                 at);
    }
    free(text);
    return found;
}

static const struct log_filter all;

static void
test_lines_are_read_in_order_and_by_filter(void **state)
{
    struct log_filter since = {.since_ms = 2000}, level = {.level = 2}, call = {.call_id = "b"};

    (void)state;
    make_folder("f");
    assert_string_equal(messages("f", &all, 10), "");
    assert_int_equal(add("f", 1000, 1, "a", "one"), 0);
    assert_int_equal(add("f", 2000, 2, "b", "two"), 0);
    assert_int_equal(add("f", 3000, 3, "bb", "three"), 0);
    assert_int_equal(add("f", 4000, 0, "", "four"), 0);
    assert_string_equal(messages("f", &all, 10), "one,two,three,four,");
    assert_string_equal(messages("f", &all, 2), "three,four,");
    assert_string_equal(messages("f", &all, 0), "");
    assert_string_equal(messages("f", &since, 10), "two,three,four,");
    assert_string_equal(messages("f", &level, 10), "two,three,");
    assert_string_equal(messages("f", &level, 1), "three,");
    assert_string_equal(messages("f", &call, 10), "two,");
}

static void
test_a_log_is_bounded_and_loses_its_oldest_lines(void **state)
{
    char text[200];
    const char *last;

    (void)state;
    make_folder("g");
    for (int i = 0; i < 2000; i++) {
        (void)snprintf(text, sizeof text, "line %04d %0150d", i, i);
        assert_int_equal(add("g", i, 1, "", text), 0);
        assert_true(log_files_size("g") <= MOST + 512);
    }
    last = messages("g", &all, 1);
    assert_non_null(strstr(last, "line 1999 "));
    assert_true(log_files_size("g") > MOST / 2);
    log_files_shrink("g");
    assert_true(log_files_size("g") <= MOST / 2);
    assert_non_null(strstr(messages("g", &all, 1), "line 1999 "));
    log_files_shrink("g");
    assert_int_equal(log_files_size("g"), 0);
    assert_int_equal(add("g", 1, 1, "", "again"), 0);
    assert_string_equal(messages("g", &all, 10), "again,");
}

/* Cut anywhere, as by a power failure: what was whole stays, and what comes is appended. */
static void
test_half_a_chunk_at_the_end_is_cut(void **state)
{
    struct stat st;

    (void)state;
    make_folder("h");
    assert_int_equal(add("h", 1, 1, "", "first"), 0);
    assert_int_equal(add("h", 2, 1, "", "second"), 0);
    assert_int_equal(stat(path_of("h", "log"), &st), 0);
    for (off_t cut = st.st_size - 1; cut >= 0; cut -= 3) {
        (void)unlink(path_of("h", "log"));
        assert_int_equal(add("h", 1, 1, "", "first"), 0);
        assert_int_equal(add("h", 2, 1, "", "second"), 0);
        assert_int_equal(truncate(path_of("h", "log"), cut), 0);
        assert_int_equal(add("h", 3, 1, "", "third"), 0);
        assert_non_null(strstr(messages("h", &all, 9), "third,"));
        assert_true(strncmp(messages("h", &all, 9), "first,", 6) == 0 || cut < 64);
    }
}

static void
test_garbage_in_the_file_is_not_read(void **state)
{
    int fd;

    (void)state;
    make_folder("i");
    fd = open(path_of("i", "log"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(write(fd, "HLG1\xff\xff\xff\xff garbage", 16), 16);
    assert_int_equal(close(fd), 0);
    assert_string_equal(messages("i", &all, 9), "");
    assert_int_equal(add("i", 3, 1, "", "fine"), 0);
    assert_string_equal(messages("i", &all, 9), "fine,");
}

/* Nothing waits for its other end. */
static void
test_what_is_no_file_is_not_opened(void **state)
{
    (void)state;
    make_folder("j");
    assert_int_equal(mkfifo(path_of("j", "log"), 0600), 0);
    assert_string_equal(messages("j", &all, 9), "");
    assert_int_equal(add("j", 3, 1, "", "x"), -EINVAL);
    make_folder("k");
    assert_int_equal(mkdir(path_of("k", "log"), 0700), 0);
    assert_true(add("k", 3, 1, "", "x") < 0);
    assert_int_equal(log_files_size("k"), 0);
    assert_int_equal(symlink("/etc/passwd", path_of("k", "log.old")), 0);
    assert_string_equal(messages("k", &all, 9), "");
}

static void
test_a_function_that_is_gone_gets_no_file(void **state)
{
    (void)state;
    assert_int_equal(add("none", 1, 1, "", "x"), -ENOENT);
    assert_int_equal(log_files_size("none"), 0);
    assert_string_equal(messages("none", &all, 9), "");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines_are_read_in_order_and_by_filter),
        cmocka_unit_test(test_a_log_is_bounded_and_loses_its_oldest_lines),
        cmocka_unit_test(test_half_a_chunk_at_the_end_is_cut),
        cmocka_unit_test(test_garbage_in_the_file_is_not_read),
        cmocka_unit_test(test_what_is_no_file_is_not_opened),
        cmocka_unit_test(test_a_function_that_is_gone_gets_no_file),
    };

    return RUN_TESTS("log_files", tests, start, stop);
}
