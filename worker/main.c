/* main.c: hearth-worker: one instance of one function. It is born without
 * privilege, inside its cgroup, namespaces and jail; what is left for it is to
 * load its filters, then the function, then to narrow the filters, then to serve.
 */
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "worker.h"

#define EXIT_NO_WALL 125 /* the launcher reads the text on the control socket */

static char output_buffer[1024];

static _Noreturn void
give_up(const struct hearth_err *err)
{
    (void)!write(WRK_FD_CONTROL, err->text, strlen(err->text));
    _exit(EXIT_NO_WALL);
}

/* Says through the channel why this version cannot serve, and ends. */
static _Noreturn void
unfit(struct chan *chan, const struct hearth_err *err)
{
    size_t n = strlen(err->text);
    unsigned char *payload = chan_reserve(chan, n);

    (void)fflush(stdout); /* what it printed is in the log before anybody hears of it */

    if (payload != NULL) {
        memcpy(payload, err->text, n);
        chan_commit(chan, FRAME_UNFIT, FRAME_END, 0, n);
        wrk_ring_bell(chan);
    }
    _exit(1);
}

/* A crash is told to the gateway, and to no program of the host's. */
static int
forbid_cores(struct hearth_err *err)
{
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
        return err_set(err, errno, "wall \"cores\": may not be dumped");
    return 0;
}

static int
raise_walls(struct chan *chan, struct hearth_err *err)
{
    int status = chan_open(chan, CHAN_WORKER, WRK_FD_CHANNEL, err);

    if (status == 0)
        status = wrk_walls_prepare(WRK_FD_FILTERS, chan, err);
    (void)close(WRK_FD_CHANNEL);
    (void)close(WRK_FD_FILTERS);
    return status == 0 ? wrk_walls_load(err) : status;
}

/* Waits for the launcher's task: the object and the meter. */
static int
receive_task(int *object, int *meter, struct hearth_err *err)
{
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(2 * sizeof(int))];
    char byte;
    int fds[2];
    struct iovec iov = {.iov_base = &byte, .iov_len = 1};
    struct msghdr hdr = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    struct cmsghdr *cmsg;

    if (recvmsg(WRK_FD_CONTROL, &hdr, MSG_CMSG_CLOEXEC) != 1)
        return err_set(err, errno, "receive a task");
    cmsg = CMSG_FIRSTHDR(&hdr);
    if (cmsg == NULL || cmsg->cmsg_type != SCM_RIGHTS || cmsg->cmsg_len != CMSG_LEN(sizeof fds))
        return err_set(err, EPROTO, "receive a task");
    memcpy(fds, CMSG_DATA(cmsg), sizeof fds);
    *object = fds[0];
    *meter = fds[1];
    return 0;
}

/* The gateway's first frame: the env. */
static int
receive_setup(struct chan *chan, struct hearth_err *err)
{
    struct frame frame;
    int status;

    chan_worker_wait(chan, 0, 0);
    if (chan_peek(chan, &frame) != 1 || frame.header.type != FRAME_SETUP)
        return err_set(err, EPROTO, "receive the setup");
    status = wrk_env_set(frame.payload, frame.len, err);
    chan_consume(chan, &frame);
    return status;
}

static int
make_ready(struct chan *chan, int object, struct wrk_function *function, struct hearth_err *err)
{
    int status = wrk_function_load(object, function, err);
    int returned = 0;

    if (status == 0 && function->init != NULL)
        returned = function->init();
    if (returned != 0)
        status = err_set(err, 0, "hearth_init returned %d", returned);
    (void)fflush(stdout);
    if (status == 0)
        status = wrk_walls_narrow(err);
    if (status < 0)
        return status;
    if (chan_reserve(chan, 0) == NULL)
        return err_set(err, errno, "say that the instance is ready");
    chan_commit(chan, FRAME_READY, FRAME_END, 0, 0);
    wrk_ring_bell(chan);
    return 0;
}

static int
compare_bytes(const void *a, const void *b)
{
    return *(const unsigned char *)a - *(const unsigned char *)b;
}

/* What the C library asks the kernel once and then remembers, asked now: a function
 * that sorts, or wants the local time (here UTC), is no offender. */
static void
settle_libc(void)
{
    unsigned char some[2048] = {1}; /* over 1,024 bytes qsort wants to know the memory */

    tzset();
    qsort(some, sizeof some, 1, compare_bytes);
}

int
main(void)
{
    struct hearth_err err = {0};
    struct wrk_function function = {0};
    struct chan chan;
    int object = -1, meter = -1;

    if (forbid_cores(&err) < 0)
        give_up(&err);
    (void)prctl(PR_SET_NAME, "hearth-blank", 0, 0, 0);
    (void)mallopt(M_ARENA_MAX, 1);
    /* fixed: large pieces of the function's stay mappings, given back at once */
    (void)mallopt(M_MMAP_THRESHOLD, 256 * 1024);
    /* buffers of our own, so that stdio asks the kernel nothing about them */
    (void)setvbuf(stdout, output_buffer, _IOLBF, sizeof output_buffer);
    (void)setvbuf(stderr, NULL, _IONBF, 0);
    settle_libc();
    wrk_place_init();
    if (raise_walls(&chan, &err) < 0 || receive_task(&object, &meter, &err) < 0 ||
        wrk_walls_close_files(object, &err) < 0)
        give_up(&err);
    (void)prctl(PR_SET_NAME, "hearth-worker", 0, 0, 0);
    wrk_meters_set(&chan, meter);
    (void)close(WRK_FD_CONTROL);
    if (receive_setup(&chan, &err) < 0 || make_ready(&chan, object, &function, &err) < 0)
        unfit(&chan, &err);
    wrk_serve(&chan, &function);
    return 0;
}
