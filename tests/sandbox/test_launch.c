/* test_launch.c: the launcher's messages: valid ones arrive, and unknown ones are refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "launch.h"
#include "run.h"

static struct launch_message
start_message(void)
{
    struct launch_message msg = {.version = LAUNCH_VERSION, .type = LAUNCH_START, .id = 9};

    msg.length = (uint32_t)launch_size(LAUNCH_START);
    (void)strcpy(msg.u.start.name, "hello");
    msg.u.start.version = 3;
    msg.u.start.memory_limit = 1 << 24;
    msg.u.start.threads = 1;
    msg.u.start.stack_bytes = 8 << 20;
    return msg;
}

static int
decode(const struct launch_message *msg)
{
    struct launch_message out;

    return launch_decode(msg, msg->length, &out);
}

static void
test_a_message_and_its_descriptors_arrive(void **state)
{
    struct launch_message msg = start_message(), got;
    int pair[2], sent[2], fds[8];
    unsigned n = 8;

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
    assert_int_equal(pipe(sent), 0);
    assert_int_equal(launch_send(pair[0], &msg, sent, 2), 0);
    assert_int_equal(launch_receive(pair[1], &got, fds, &n), 1);
    assert_int_equal(n, 2);
    assert_int_equal(got.id, 9);
    assert_string_equal(got.u.start.name, "hello");
    assert_int_equal(write(fds[1], "x", 1), 1);
    for (int i = 0; i < 2; i++) {
        (void)close(sent[i]);
        (void)close(fds[i]);
    }
    (void)close(pair[0]);
    n = 8;
    assert_int_equal(launch_receive(pair[1], &got, fds, &n), 0);
    (void)close(pair[1]);
}

static void
test_descriptors_that_are_not_wanted_are_closed_and_refused(void **state)
{
    struct launch_message msg = start_message(), got;
    int pair[2], before, after;
    unsigned n = 0;

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
    before = dup(0);
    assert_int_equal(launch_send(pair[0], &msg, &before, 1), 0);
    assert_int_equal(launch_receive(pair[1], &got, NULL, &n), -EMFILE);
    after = dup(0);
    assert_int_equal(after, before + 1); /* none leaked */
    (void)close(before);
    (void)close(after);
    (void)close(pair[0]);
    (void)close(pair[1]);
}

static void
test_wrong_heads_are_refused(void **state)
{
    struct launch_message msg = start_message(), out;

    (void)state;
    assert_int_equal(decode(&msg), 0);
    assert_int_equal(launch_decode(&msg, 3, &out), -EPROTO);
    assert_int_equal(launch_decode(&msg, msg.length - 1, &out), -EPROTO);
    msg.version++;
    assert_int_equal(decode(&msg), -EPROTO);
    msg = start_message();
    msg.type = LAUNCH_TYPES;
    assert_int_equal(decode(&msg), -EPROTO);
    msg.type = 0;
    assert_int_equal(decode(&msg), -EPROTO);
}

static void
test_names_that_could_be_paths_are_refused(void **state)
{
    static const char *const bad[] = {"", "..", "a/b", "../x", "-a", "A", "a.so"};
    struct launch_message msg;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        msg = start_message();
        (void)strcpy(msg.u.start.name, bad[i]);
        assert_int_equal(decode(&msg), -EPROTO);
    }
    msg = start_message();
    memset(msg.u.start.name, 'a', sizeof msg.u.start.name); /* not terminated */
    assert_int_equal(decode(&msg), -EPROTO);
}

static void
test_libraries_that_could_be_options_are_refused(void **state)
{
    struct launch_message msg = {.version = LAUNCH_VERSION, .type = LAUNCH_BUILD};

    (void)state;
    msg.length = (uint32_t)launch_size(LAUNCH_BUILD);
    (void)strcpy(msg.u.build.name, "a");
    msg.u.build.version = 1;
    msg.u.build.libs = 1;
    (void)strcpy(msg.u.build.lib[0], "z");
    assert_int_equal(decode(&msg), 0);
    (void)strcpy(msg.u.build.lib[0], "z -o/x");
    assert_int_equal(decode(&msg), -EPROTO);
    msg.u.build.libs = LIMIT_LIBS + 1;
    assert_int_equal(decode(&msg), -EPROTO);
}

static void
test_random_bytes_are_refused_or_well_formed(void **state)
{
    unsigned seed = (unsigned)run_seed();
    unsigned char bytes[sizeof(struct launch_message)];
    struct launch_message out;

    (void)state;
    for (int round = 0; round < 100000; round++) {
        size_t n = (size_t)rand_r(&seed) % sizeof bytes;

        for (size_t i = 0; i < 24 && i < n; i++)
            bytes[i] = (unsigned char)(rand_r(&seed) >> 8);
        if (launch_decode(bytes, n, &out) == 0)
            assert_int_equal(launch_size(out.type), n);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_message_and_its_descriptors_arrive),
        cmocka_unit_test(test_descriptors_that_are_not_wanted_are_closed_and_refused),
        cmocka_unit_test(test_wrong_heads_are_refused),
        cmocka_unit_test(test_names_that_could_be_paths_are_refused),
        cmocka_unit_test(test_libraries_that_could_be_options_are_refused),
        cmocka_unit_test(test_random_bytes_are_refused_or_well_formed),
    };

    return RUN_TESTS("launch", tests, NULL, NULL);
}
