/* test_fd_passing.c: descriptors over a unix socket. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fd_passing.h"
#include "run.h"

static int pair[2];

static int
make_pair(void **state)
{
    (void)state;
    return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair);
}

static int
close_pair(void **state)
{
    (void)state;
    (void)close(pair[0]);
    (void)close(pair[1]);
    return 0;
}

/* The end of the pipe is read as closed once no copy of the writing end is open. */
static int
is_closed(int read_end)
{
    char byte;

    return read(read_end, &byte, 1) == 0;
}

static void
test_fd_passing_bytes_and_descriptors_arrive_close_on_exec(void **state)
{
    int ends[2], got[2];
    unsigned n = 2;
    char byte = 0;
    bool all = false;

    (void)state;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(fd_send(pair[0], "T", 1, ends, 2, 0), 0);
    assert_int_equal(fd_receive(pair[1], &byte, 1, got, &n, &all, 0), 1);
    assert_int_equal(byte, 'T');
    assert_int_equal(n, 2);
    assert_true(all);
    assert_true((fcntl(got[0], F_GETFD) & FD_CLOEXEC) != 0);
    assert_int_equal(write(got[1], "x", 1), 1);
    assert_int_equal(read(ends[0], &byte, 1), 1);
    assert_int_equal(byte, 'x');
    for (int i = 0; i < 2; i++) {
        (void)close(ends[i]);
        (void)close(got[i]);
    }
}

/* It reads as the end, and whoever sent it must not fill this process's table. */
static void
test_fd_passing_descriptors_of_an_empty_packet_are_closed(void **state)
{
    int ends[2], got[2];
    unsigned n = 2;
    char byte;
    bool all = true;

    (void)state;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(fd_send(pair[0], "", 0, &ends[1], 1, 0), 0);
    (void)close(ends[1]);
    assert_int_equal(fd_receive(pair[1], &byte, 1, got, &n, &all, 0), 0);
    assert_int_equal(n, 0);
    assert_false(all);
    assert_true(is_closed(ends[0]));
    (void)close(ends[0]);
}

static void
test_fd_passing_descriptors_without_room_are_closed_and_reported(void **state)
{
    int ends[2], sent[3], got[1];
    unsigned n = 1;
    char byte;
    bool all = true;

    (void)state;
    assert_int_equal(pipe(ends), 0);
    sent[0] = ends[0];
    sent[1] = sent[2] = ends[1];
    assert_int_equal(fd_send(pair[0], "T", 1, sent, 3, 0), 0);
    (void)close(ends[1]);
    assert_int_equal(fd_receive(pair[1], &byte, 1, got, &n, &all, 0), 1);
    assert_int_equal(n, 1);
    assert_false(all);
    assert_true(is_closed(ends[0]));
    (void)close(ends[0]);
    (void)close(got[0]);
}

static void
test_fd_passing_without_descriptors_sends_the_bytes(void **state)
{
    unsigned n = 0;
    char bytes[8];
    bool all = false;

    (void)state;
    assert_int_equal(fd_send(pair[0], "bytes", 5, NULL, 0, 0), 0);
    assert_int_equal(fd_receive(pair[1], bytes, sizeof bytes, NULL, &n, &all, 0), 5);
    assert_memory_equal(bytes, "bytes", 5);
    assert_int_equal(n, 0);
    assert_true(all);
}

static void
test_fd_passing_errors_and_the_end_are_returned(void **state)
{
    int many[FD_PASSING_MAX + 1] = {0};
    unsigned n = 1;
    int fd;
    char byte;
    bool all;

    (void)state;
    assert_int_equal(fd_send(pair[0], "T", 1, many, FD_PASSING_MAX + 1, 0), -EINVAL);
    assert_int_equal(fd_receive(pair[1], &byte, 1, &fd, &n, &all, MSG_DONTWAIT), -EAGAIN);
    assert_int_equal(n, 0);
    (void)shutdown(pair[0], SHUT_RDWR);
    n = 1;
    assert_int_equal(fd_receive(pair[1], &byte, 1, &fd, &n, &all, 0), 0);
    assert_int_equal(n, 0);
    assert_int_equal(fd_send(pair[0], "T", 1, NULL, 0, 0), -EPIPE);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_fd_passing_bytes_and_descriptors_arrive_close_on_exec,
                                        make_pair, close_pair),
        cmocka_unit_test_setup_teardown(test_fd_passing_descriptors_of_an_empty_packet_are_closed,
                                        make_pair, close_pair),
        cmocka_unit_test_setup_teardown(
            test_fd_passing_descriptors_without_room_are_closed_and_reported, make_pair,
            close_pair),
        cmocka_unit_test_setup_teardown(test_fd_passing_without_descriptors_sends_the_bytes,
                                        make_pair, close_pair),
        cmocka_unit_test_setup_teardown(test_fd_passing_errors_and_the_end_are_returned, make_pair,
                                        close_pair),
    };

    return RUN_TESTS("fd_passing", tests, NULL, NULL);
}
