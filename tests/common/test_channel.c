/* test_channel.c: rings and doorbells, with an honest peer and with a hostile one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "channel.h"
#include "limits.h"
#include "run.h"

struct pair {
    struct chan gateway, worker;
    int fd;
};

static void
open_pair(struct pair *p)
{
    assert_int_equal(chan_create(&p->fd, NULL), 0);
    assert_int_equal(chan_open(&p->gateway, CHAN_GATEWAY, p->fd, NULL), 0);
    assert_int_equal(chan_open(&p->worker, CHAN_WORKER, p->fd, NULL), 0);
}

static void
close_pair(struct pair *p)
{
    chan_close(&p->gateway);
    chan_close(&p->worker);
    (void)close(p->fd);
}

static void
send_bytes(struct chan *chan, enum frame_type type, uint64_t serial, const void *bytes, size_t n)
{
    unsigned char *payload = chan_reserve(chan, n);

    assert_non_null(payload);
    memcpy(payload, bytes, n);
    chan_commit(chan, type, FRAME_END, serial, n);
}

static void
test_a_frame_arrives_as_it_was_sent(void **state)
{
    struct pair p;
    struct frame frame;

    (void)state;
    open_pair(&p);
    assert_int_equal(chan_peek(&p.worker, &frame), 0);
    send_bytes(&p.gateway, FRAME_BODY, 7, "hello", 5);
    assert_true(chan_ready(&p.worker));
    assert_int_equal(chan_peek(&p.worker, &frame), 1);
    assert_int_equal(frame.header.type, FRAME_BODY);
    assert_int_equal(frame.header.serial, 7);
    assert_int_equal(frame.len, 5);
    assert_memory_equal(frame.payload, "hello", 5);
    chan_consume(&p.worker, &frame);
    assert_int_equal(chan_peek(&p.worker, &frame), 0);
    close_pair(&p);
}

static void
test_a_full_ring_takes_no_more_until_it_is_consumed(void **state)
{
    static unsigned char bytes[60000];
    struct pair p;
    struct frame frame;
    int sent = 0;

    (void)state;
    open_pair(&p);
    while (chan_room(&p.gateway) >= sizeof bytes) {
        send_bytes(&p.gateway, FRAME_BODY, 1, bytes, sizeof bytes);
        sent++;
    }
    assert_int_equal(sent, LIMIT_RING / 60032);
    assert_null(chan_reserve(&p.gateway, sizeof bytes));
    assert_int_equal(errno, EAGAIN);
    assert_int_equal(chan_peek(&p.worker, &frame), 1);
    chan_consume(&p.worker, &frame);
    assert_non_null(chan_reserve(&p.gateway, sizeof bytes));
    close_pair(&p);
}

/* Frames of random sizes in both directions, through many rounds of the ring. */
static void
test_random_frames_arrive_in_order_and_whole(void **state)
{
    unsigned seed = (unsigned)run_seed();
    struct pair p;
    uint64_t sent = 0, seen = 0;

    (void)state;
    open_pair(&p);
    while (seen < 20000) {
        size_t n = (size_t)rand_r(&seed) % (rand_r(&seed) % 16 == 0 ? LIMIT_FRAME : 300);
        unsigned char *payload = chan_reserve(&p.gateway, n);
        struct frame frame;

        if (payload != NULL) {
            memset(payload, (int)(sent & 0xff), n);
            chan_commit(&p.gateway, FRAME_BODY, 0, sent++, n);
        }
        if (payload != NULL && rand_r(&seed) % 3 != 0)
            continue;
        while (chan_peek(&p.worker, &frame) == 1) {
            assert_int_equal(frame.header.serial, seen);
            for (size_t i = 0; i < frame.len; i++)
                if (frame.payload[i] != (unsigned char)seen)
                    fail_msg("frame %llu differs at %zu", (unsigned long long)seen, i);
            chan_consume(&p.worker, &frame);
            seen++;
        }
    }
    assert_int_equal(sent, seen);
    close_pair(&p);
}

static void
test_light_traffic_stays_in_the_first_pages(void **state)
{
    struct pair p;

    (void)state;
    open_pair(&p);
    for (int i = 0; i < 5000; i++) {
        struct frame frame;

        send_bytes(&p.gateway, FRAME_BODY, 1, "0123456789", 10);
        assert_int_equal(chan_peek(&p.worker, &frame), 1);
        assert_true(frame.payload - p.worker.in_bytes < LIMIT_RING_WARM + 4096);
        chan_consume(&p.worker, &frame);
    }
    close_pair(&p);
}

/* Whether the page is readable, checked by a system call. */
static bool
is_readable(const void *at)
{
    int fds[2];
    bool can;

    assert_int_equal(pipe(fds), 0);
    can = write(fds[1], at, 1) == 1;
    (void)close(fds[0]);
    (void)close(fds[1]);
    return can;
}

static void
test_the_rings_are_fenced_on_both_sides(void **state)
{
    struct pair p;

    (void)state;
    open_pair(&p);
    assert_true(is_readable(p.worker.in_bytes + 2 * LIMIT_RING - 1));
    assert_false(is_readable(p.worker.in_bytes + 2 * LIMIT_RING));
    assert_false(is_readable(p.worker.in_bytes - 1));
    assert_false(is_readable(p.worker.out_bytes + 2 * LIMIT_RING));
    assert_false(is_readable((unsigned char *)p.worker.output.shared - 1));
    close_pair(&p);
}

static void
expect_only_headers(const struct pair *p)
{
    const unsigned char *left = memmem(p->worker.in_bytes, LIMIT_RING, "SSS", 3);

    if (left != NULL) /* no length in a header has this byte pattern */
        fail_msg("bytes are left at %zu", (size_t)(left - p->worker.in_bytes));
}

/* Frames of all kinds and sizes, through several rounds of the ring, including the padding of their
 * alignment. Some of them are revoked. */
static void
test_what_the_worker_consumed_is_gone_from_the_ring(void **state)
{
    static unsigned char bytes[LIMIT_FRAME];
    unsigned seed = (unsigned)run_seed();
    struct pair p;

    (void)state;
    memset(bytes, 'S', sizeof bytes);
    open_pair(&p);
    for (int i = 0; i < 400; i++) {
        size_t n = (size_t)rand_r(&seed) % (i % 8 == 0 ? LIMIT_FRAME - 15 : 3000);
        unsigned char *payload = chan_reserve(&p.gateway, n + 15);
        struct frame frame;

        if (payload != NULL) {
            memset(payload, 'S', (n + 15) & ~15u);
            (void)chan_commit(&p.gateway, i % 2 ? FRAME_REQUEST : FRAME_BODY, FRAME_END, 1, n);
        }
        if (payload != NULL && i % 3 == 0)
            continue; /* keep two in the ring */
        while (chan_peek(&p.worker, &frame) == 1)
            chan_consume(&p.worker, &frame);
        expect_only_headers(&p);
    }
    close_pair(&p);
}

/* ---- foreign files ---- */

static void
test_a_file_without_seals_or_of_another_size_is_refused(void **state)
{
    struct chan chan;
    int fd = memfd_create("x", MFD_ALLOW_SEALING | MFD_CLOEXEC), good;

    (void)state;
    assert_int_equal(chan_create(&good, NULL), 0);
    assert_int_equal(ftruncate(good, 4096), -1); /* sealed */
    assert_int_equal(ftruncate(fd, lseek(good, 0, SEEK_END)), 0);
    assert_int_equal(chan_open(&chan, CHAN_GATEWAY, fd, NULL), -EPROTO);
    assert_int_equal(ftruncate(fd, 4096), 0);
    assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL), 0);
    assert_int_equal(chan_open(&chan, CHAN_GATEWAY, fd, NULL), -EPROTO);
    assert_int_equal(chan_open(&chan, CHAN_GATEWAY, 0, NULL) < 0, 1);
    (void)close(fd);
    (void)close(good);
}

/* ---- a hostile peer ---- */

/* Peeks as the gateway after the worker has tampered with the response ring. */
static int
peek_after(void (*lie)(struct pair *p))
{
    struct pair p;
    struct frame frame;
    int status;

    open_pair(&p);
    lie(&p);
    status = chan_peek(&p.gateway, &frame);
    close_pair(&p);
    return status;
}

static void
raw_header(struct pair *p, uint64_t at, struct frame_header header)
{
    memcpy(p->worker.out_bytes + at % LIMIT_RING, &header, sizeof header);
}

static void
lie_tail_too_far(struct pair *p)
{
    atomic_store(&p->worker.shared->response.tail, (uint64_t)LIMIT_RING + 16);
}

static void
lie_tail_backwards(struct pair *p)
{
    atomic_store(&p->worker.shared->response.tail, (uint64_t)-16);
}

static void
lie_tail_unaligned(struct pair *p)
{
    atomic_store(&p->worker.shared->response.tail, (uint64_t)17);
}

static void
lie_length_zero(struct pair *p)
{
    raw_header(p, 0, (struct frame_header){.length = 0, .type = FRAME_BODY});
    atomic_store(&p->worker.shared->response.tail, (uint64_t)64);
}

static void
lie_length_over_what_is_there(struct pair *p)
{
    raw_header(p, 0, (struct frame_header){.length = 4096, .type = FRAME_BODY});
    atomic_store(&p->worker.shared->response.tail, (uint64_t)64);
}

static void
lie_length_over_the_bound(struct pair *p)
{
    raw_header(p, 0, (struct frame_header){.length = LIMIT_RING, .type = FRAME_BODY});
    atomic_store(&p->worker.shared->response.tail, (uint64_t)LIMIT_RING);
}

static void
lie_length_that_wraps(struct pair *p)
{
    raw_header(p, 0, (struct frame_header){.length = UINT32_MAX, .type = FRAME_BODY});
    atomic_store(&p->worker.shared->response.tail, (uint64_t)64);
}

static void
lie_type(struct pair *p)
{
    raw_header(p, 0, (struct frame_header){.length = 16, .type = 200});
    atomic_store(&p->worker.shared->response.tail, (uint64_t)16);
}

static void
lie_padding_at_the_start(struct pair *p)
{
    raw_header(p, 0, (struct frame_header){.length = LIMIT_RING, .type = FRAME_PAD});
    atomic_store(&p->worker.shared->response.tail, (uint64_t)LIMIT_RING);
}

static void
test_a_lie_in_the_ring_is_a_protocol_error(void **state)
{
    (void)state;
    assert_int_equal(peek_after(lie_tail_too_far), -EPROTO);
    assert_int_equal(peek_after(lie_tail_backwards), -EPROTO);
    assert_int_equal(peek_after(lie_tail_unaligned), -EPROTO);
    assert_int_equal(peek_after(lie_length_zero), -EPROTO);
    assert_int_equal(peek_after(lie_length_over_what_is_there), -EPROTO);
    assert_int_equal(peek_after(lie_length_over_the_bound), -EPROTO);
    assert_int_equal(peek_after(lie_length_that_wraps), -EPROTO);
    assert_int_equal(peek_after(lie_type), -EPROTO);
    assert_int_equal(peek_after(lie_padding_at_the_start), -EPROTO);
}

static void
test_a_lie_about_consumption_makes_no_room(void **state)
{
    static unsigned char bytes[60000];
    struct pair p;

    (void)state;
    open_pair(&p);
    while (chan_room(&p.gateway) >= sizeof bytes)
        send_bytes(&p.gateway, FRAME_BODY, 1, bytes, sizeof bytes);
    atomic_store(&p.worker.shared->request.head, p.gateway.out_tail + 4096);
    assert_null(chan_reserve(&p.gateway, sizeof bytes));
    assert_int_equal(errno, EPROTO);
    close_pair(&p);
}

static void
test_random_bytes_in_the_ring_never_leave_it(void **state)
{
    unsigned seed = (unsigned)run_seed();

    (void)state;
    for (int round = 0; round < 300; round++) {
        struct pair p;
        struct frame frame;
        int status = 1;

        open_pair(&p);
        for (size_t i = 0; i < 4096; i++)
            p.worker.out_bytes[i] = (unsigned char)(rand_r(&seed) >> 8);
        for (int i = 0; i < 8; i++) /* some headers must be plausible */
            raw_header(&p, (uint64_t)(rand_r(&seed) % 256) * 16,
                       (struct frame_header){.length = (uint32_t)rand_r(&seed) % 400,
                                             .type = (uint8_t)(rand_r(&seed) % FRAME_TYPES)});
        atomic_store(&p.worker.shared->response.tail, (uint64_t)(rand_r(&seed) % 256) * 16);
        while (status == 1 && (status = chan_peek(&p.gateway, &frame)) == 1) {
            assert_true(frame.payload >= p.gateway.in_bytes);
            assert_true(frame.payload + frame.len <= p.gateway.in_bytes + 2 * LIMIT_RING);
            chan_consume(&p.gateway, &frame);
        }
        close_pair(&p);
    }
}

/* ---- waking ---- */

static void *
echo_thread(void *user)
{
    struct pair *p = user;

    for (int i = 0; i < 20000; i++) {
        struct frame frame;

        chan_worker_wait(&p->worker, 0, 0);
        assert_int_equal(chan_peek(&p->worker, &frame), 1);
        send_bytes(&p->worker, FRAME_BODY, frame.header.serial, frame.payload, frame.len);
        chan_consume(&p->worker, &frame);
    }
    return NULL;
}

/* No wake-up may be lost: the worker sleeps in a futex between calls, and the test would hang if it
 * were not woken. */
static void
test_a_sleeping_worker_is_always_woken(void **state)
{
    struct pair p;
    pthread_t thread;

    (void)state;
    open_pair(&p);
    assert_int_equal(pthread_create(&thread, NULL, echo_thread, &p), 0);
    for (uint64_t i = 0; i < 20000; i++) {
        struct frame frame;

        send_bytes(&p.gateway, FRAME_BODY, i, &i, sizeof i);
        chan_wake_worker(&p.gateway);
        while (chan_peek(&p.gateway, &frame) != 1)
            ;
        assert_int_equal(frame.header.serial, i);
        chan_consume(&p.gateway, &frame);
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
    close_pair(&p);
}

static void *
wait_for_frame_thread(void *arg)
{
    struct pair *p = arg;

    chan_worker_wait(&p->worker, 0, 0);
    return NULL;
}

static void
wait_until_asleep(struct pair *p)
{
    while (atomic_load(&p->gateway.shared->worker_asleep) == 0)
        (void)sched_yield();
}

static void
test_a_worker_that_waits_for_a_request_is_not_woken_for_room(void **state)
{
    struct pair p;
    pthread_t thread;
    uint32_t rung;

    (void)state;
    open_pair(&p);
    assert_int_equal(pthread_create(&thread, NULL, wait_for_frame_thread, &p), 0);
    wait_until_asleep(&p);
    rung = atomic_load(&p.gateway.shared->worker_bell);
    chan_wake_worker_for_room(&p.gateway);
    assert_int_equal(atomic_load(&p.gateway.shared->worker_bell), rung);
    send_bytes(&p.gateway, FRAME_BODY, 1, "x", 1);
    chan_wake_worker(&p.gateway);
    assert_int_not_equal(atomic_load(&p.gateway.shared->worker_bell), rung);
    assert_int_equal(pthread_join(thread, NULL), 0);
    close_pair(&p);
}

static void *
wait_for_room_thread(void *arg)
{
    struct pair *p = arg;

    chan_worker_wait(&p->worker, LIMIT_FRAME, 0);
    return NULL;
}

static void
test_a_worker_that_waits_for_room_is_woken_by_it(void **state)
{
    static unsigned char bytes[LIMIT_FRAME];
    struct pair p;
    struct frame frame;
    pthread_t thread;

    (void)state;
    open_pair(&p);
    while (chan_room(&p.worker) == LIMIT_FRAME)
        send_bytes(&p.worker, FRAME_BODY, 1, bytes, sizeof bytes);
    assert_int_equal(pthread_create(&thread, NULL, wait_for_room_thread, &p), 0);
    wait_until_asleep(&p);
    while (chan_peek(&p.gateway, &frame) == 1)
        chan_consume(&p.gateway, &frame);
    chan_wake_worker_for_room(&p.gateway);
    assert_int_equal(pthread_join(thread, NULL), 0);
    close_pair(&p);
}

static void
test_a_frame_is_either_begun_or_taken_back(void **state)
{
    struct pair p;
    struct frame frame;
    uint64_t at[2];

    (void)state;
    open_pair(&p);
    for (int i = 0; i < 2; i++) {
        assert_non_null(chan_reserve(&p.gateway, 8));
        at[i] = chan_commit(&p.gateway, FRAME_REQUEST, FRAME_END, 1, 8);
    }
    assert_true(chan_revoke(&p.gateway, at[1]));
    assert_false(chan_revoke(&p.gateway, at[1]));
    assert_int_equal(chan_peek(&p.worker, &frame), 1);
    assert_true(chan_claim(&p.worker));
    assert_false(chan_revoke(&p.gateway, at[0]));
    chan_consume(&p.worker, &frame);
    assert_false(chan_revoke(&p.gateway, at[0]));
    assert_int_equal(chan_peek(&p.worker, &frame), 1);
    assert_false(chan_claim(&p.worker));
    close_pair(&p);
}

static void
test_the_bell_is_wanted_once_per_sleep(void **state)
{
    struct pair p;

    (void)state;
    open_pair(&p);
    chan_gateway_sleeps(&p.gateway, 1);
    assert_true(chan_gateway_wants_bell(&p.worker));
    assert_false(chan_gateway_wants_bell(&p.worker));
    chan_gateway_sleeps(&p.gateway, 0);
    assert_false(chan_gateway_wants_bell(&p.worker));
    close_pair(&p);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_frame_arrives_as_it_was_sent),
        cmocka_unit_test(test_a_full_ring_takes_no_more_until_it_is_consumed),
        cmocka_unit_test(test_random_frames_arrive_in_order_and_whole),
        cmocka_unit_test(test_light_traffic_stays_in_the_first_pages),
        cmocka_unit_test(test_the_rings_are_fenced_on_both_sides),
        cmocka_unit_test(test_what_the_worker_consumed_is_gone_from_the_ring),
        cmocka_unit_test(test_a_file_without_seals_or_of_another_size_is_refused),
        cmocka_unit_test(test_a_lie_in_the_ring_is_a_protocol_error),
        cmocka_unit_test(test_a_lie_about_consumption_makes_no_room),
        cmocka_unit_test(test_random_bytes_in_the_ring_never_leave_it),
        cmocka_unit_test(test_a_sleeping_worker_is_always_woken),
        cmocka_unit_test(test_a_worker_that_waits_for_a_request_is_not_woken_for_room),
        cmocka_unit_test(test_a_worker_that_waits_for_room_is_woken_by_it),
        cmocka_unit_test(test_a_frame_is_either_begun_or_taken_back),
        cmocka_unit_test(test_the_bell_is_wanted_once_per_sleep),
    };

    return RUN_TESTS("channel", tests, NULL, NULL);
}
