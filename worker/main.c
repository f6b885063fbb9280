/* main.c: hearth-worker: one instance of one function. It starts without privilege, in its cgroup,
 * namespaces and jail. It loads its first filter, then the function, then the stricter filter, and
 * then serves.
 */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "affinity.h"
#include "api.h"
#include "bell.h"
#include "clock.h"
#include "environment.h"
#include "fd_passing.h"
#include "inherit.h"
#include "isolation.h"
#include "loader.h"
#include "network.h"
#include "print.h"
#include "serve.h"
#include "template.h"

static _Noreturn void
exit_broken(const struct hearth_err *err)
{
    (void)!write(INHERIT_WORKER_CONTROL, err->text, strlen(err->text));
    _exit(INHERIT_EXIT_BROKEN);
}

/* Reports through the channel why this version cannot serve, and exits. */
static _Noreturn void
exit_unfit(struct chan *chan, const struct hearth_err *err)
{
    size_t n = strlen(err->text);
    unsigned char *payload = chan_reserve(chan, n);

    wrk_output_end_call();
    if (payload != NULL) {
        memcpy(payload, err->text, n);
        chan_commit(chan, FRAME_UNFIT, FRAME_END, 0, n);
        wrk_ring_bell(chan);
    }
    _exit(1);
}

/* The gateway reports a crash; no program of the host gets a core dump. */
static int
forbid_cores(struct hearth_err *err)
{
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
        return err_set(err, errno, "layer \"cores\": forbid core dumps");
    return 0;
}

static int
isolate(struct chan *chan, struct hearth_err *err)
{
    int status = chan_open(chan, CHAN_WORKER, INHERIT_WORKER_CHANNEL, err);

    if (status == 0)
        status = wrk_isolation_prepare(INHERIT_WORKER_FILTERS, chan, err);
    (void)close(INHERIT_WORKER_CHANNEL);
    (void)close(INHERIT_WORKER_FILTERS);
    if (status == 0)
        status = wrk_output_open(chan, err);
    if (status == 0)
        chan_prefault(chan);
    return status == 0 ? wrk_isolation_load(err) : status;
}

/* To its fixed number, where the link /function leads. */
static int
take_files(int fd, struct hearth_err *err)
{
    if (dup3(fd, INHERIT_WORKER_FILES, O_CLOEXEC) < 0)
        return err_set(err, errno, "take the folder of the function's files");
    (void)close(fd);
    return wrk_isolation_allow_folder(INHERIT_WORKER_FILES, err);
}

/* Waits for the task of the launcher: the object, the files that say how much memory is used, and
 * the folder of the function's files, if it has any. *is_template: it is to be forked. */
static int
receive_task(int *object, struct wrk_meters *meters, bool *is_template, struct hearth_err *err)
{
    int fds[INHERIT_TASK_FDS_MOST];
    unsigned n = INHERIT_TASK_FDS_MOST;
    char byte;
    bool all;
    ssize_t got = fd_receive(INHERIT_WORKER_CONTROL, &byte, 1, fds, &n, &all, 0);

    if (got < 0)
        return err_set(err, (int)-got, "receive a task");
    if (got != 1 || (byte != INHERIT_TASK && byte != INHERIT_TASK_TEMPLATE) || !all ||
        n < INHERIT_TASK_FDS)
        return err_set(err, EPROTO, "receive a task");
    *object = fds[INHERIT_TASK_OBJECT];
    meters->used = fds[INHERIT_TASK_METER];
    meters->stat = fds[INHERIT_TASK_STAT];
    *is_template = byte == INHERIT_TASK_TEMPLATE;
    return n > INHERIT_TASK_FDS ? take_files(fds[INHERIT_TASK_FILES], err) : 0;
}

/* The first frame of the gateway: who this is, and the env. */
static int
receive_setup(struct chan *chan, struct hearth_err *err)
{
    struct frame frame;
    int status;

    chan_worker_wait(chan, 0, 0);
    if (chan_peek(chan, &frame) != 1 || frame.header.type != FRAME_SETUP)
        return err_set(err, EPROTO, "receive the setup");
    status = wrk_setup_keep(frame.payload, frame.len, err);
    chan_consume(chan, &frame);
    return status;
}

/* What it costs to run init: the time for which it held or had to wait for something. That it
 * waited for a processor alone says nothing about it. */
static int
run_init(int (*init)(void), struct frame_ready *ready)
{
    struct rusage before = {0}, after = {0};
    struct timespec cpu_before, cpu_after;
    size_t used = hearth_memory_used(), left;
    int64_t begun_ns = clock_ns();
    int returned;

    (void)getrusage(RUSAGE_THREAD, &before);
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &cpu_before);
    returned = init();
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &cpu_after);
    (void)getrusage(RUSAGE_THREAD, &after);
    ready->init_ns = (uint64_t)(clock_ns() - begun_ns);
    if (after.ru_nvcsw == before.ru_nvcsw)
        ready->init_ns = (uint64_t)((cpu_after.tv_sec - cpu_before.tv_sec) * 1000000000 +
                                    cpu_after.tv_nsec - cpu_before.tv_nsec);
    left = hearth_memory_used();
    ready->init_bytes = left > used ? left - used : 0;
    return returned;
}

/* 0, or err says which function of the tenant's failed. Ends what was printed until now. */
static int
judge(const struct wrk_function *function, const char *name, int returned, struct hearth_err *err)
{
    const char *why = returned != 0 && function->why != NULL ? function->why() : NULL;

    wrk_output_end_call();
    if (why != NULL)
        return err_set(err, 0, "%s", why);
    return returned != 0 ? err_set(err, 0, "%s returned %d", name, returned) : 0;
}

static int
initialise(int object, struct wrk_function *function, struct frame_ready *ready,
           struct hearth_err *err)
{
    int status = wrk_function_load(object, function, err), returned = 0;

    if (status < 0)
        return status;
    if (function->init != NULL)
        returned = run_init(function->init, ready);
    return judge(function, "hearth_init", returned, err);
}

static int
report_ready(struct chan *chan, const struct wrk_function *function,
             const struct frame_ready *ready, struct hearth_err *err)
{
    const char *costs = function->costs != NULL ? function->costs() : NULL;
    size_t n = costs != NULL ? strnlen(costs, FRAME_READY_TEXT) : 0;
    unsigned char *payload = chan_reserve(chan, sizeof *ready + n);

    if (payload == NULL)
        return err_set(err, errno, "report that the instance is ready");
    memcpy(payload, ready, sizeof *ready);
    if (n > 0)
        memcpy(payload + sizeof *ready, costs, n);
    chan_commit(chan, FRAME_READY, FRAME_END, 0, sizeof *ready + n);
    wrk_ring_bell(chan);
    return 0;
}

/* From here on this process is a fork of the template. */
static int
begin_fork(struct chan *chan, const struct wrk_function *function, struct hearth_err *err)
{
    int status = receive_setup(chan, err);

    if (status < 0)
        return status;
    return judge(function, "hearth_fork", function->fork != NULL ? function->fork() : 0, err);
}

/* From here on this process is an instance that serves, and no template. */
static int
begin_serving(struct chan *chan, const struct wrk_function *function,
              const struct frame_ready *ready, struct hearth_err *err)
{
    int status = wrk_isolation_narrow(err);

    return status == 0 ? report_ready(chan, function, ready, err) : status;
}

static int
compare_bytes(const void *a, const void *b)
{
    return *(const unsigned char *)a - *(const unsigned char *)b;
}

/* The C library makes some system calls only once and keeps the results. They are made now, because
 * the filter forbids them later: a function may sort, or read the local time (here UTC). */
static void
settle_libc(void)
{
    unsigned char some[2048] = {
        1}; /* for more than 1,024 bytes, qsort reads the size of the memory */

    tzset();
    qsort(some, sizeof some, 1, compare_bytes);
}

int
main(void)
{
    struct hearth_err err = {0};
    struct wrk_function function = {0};
    struct frame_ready ready = {0};
    struct chan chan;
    struct wrk_meters meters;
    int object = -1;
    bool is_template = false;

    if (forbid_cores(&err) < 0)
        exit_broken(&err);
    (void)prctl(PR_SET_NAME, "hearth-blank", 0, 0, 0);
    (void)mallopt(M_ARENA_MAX, 1);
    /* fixed: large allocations of the function stay mappings, which free() unmaps at once */
    (void)mallopt(M_MMAP_THRESHOLD, 256 * 1024);
    settle_libc();
    wrk_affinity_init();
    if (isolate(&chan, &err) < 0 || receive_task(&object, &meters, &is_template, &err) < 0 ||
        wrk_isolation_close_files(object, &err) < 0)
        exit_broken(&err);
    (void)prctl(PR_SET_NAME, "hearth-worker", 0, 0, 0);
    wrk_meters_set(&chan, &meters);
    if (is_template)
        wrk_network_set_broker(false);
    else
        (void)close(INHERIT_WORKER_CONTROL);
    if (receive_setup(&chan, &err) < 0 || initialise(object, &function, &ready, &err) < 0)
        exit_unfit(&chan, &err);
    if (is_template) {
        (void)malloc_trim(0);
        if (report_ready(&chan, &function, &ready, &err) < 0)
            exit_unfit(&chan, &err);
        wrk_template_serve(&chan, &meters, &function);
        wrk_meters_set(&chan, &meters);
        (void)close(INHERIT_WORKER_CONTROL);
        if (begin_fork(&chan, &function, &err) < 0)
            exit_unfit(&chan, &err);
    } else if (function.begin != NULL && judge(&function, "begin", function.begin(), &err) < 0) {
        exit_unfit(&chan, &err);
    }
    if (begin_serving(&chan, &function, &ready, &err) < 0)
        exit_unfit(&chan, &err);
    wrk_serve(&chan, &function);
    return 0;
}
