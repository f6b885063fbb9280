/* template.c: see template.h. The fork is the C library's, so that its state and the handlers of
 * libraries are as after any fork; its clone is trapped by the filter, and made here as a child of
 * the launcher. The launcher has raised the template's limit of processes for this one fork.
 *
 * Nothing here keeps a function in: code of its init could do the same, once for each time that the
 * launcher asks, and gets an instance for which all walls stand.
 */
#include "template.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fd_passing.h"
#include "filter.h"
#include "inherit.h"
#include "isolation.h"
#include "limits.h"
#include "network.h"

#define FDS_MOST (INHERIT_FORK_BELLS + LIMIT_THREADS)

static bool forking;

bool
wrk_template_is_forking(void)
{
    return forking;
}

long
wrk_template_clone(void *child_tid)
{
    long status = syscall(SYS_clone, SBX_FORK_FLAGS, NULL, NULL, child_tid, 0);

    return status < 0 ? -errno : status;
}

static bool
put(int fd, int number)
{
    if (fd == number)
        return true;
    if (dup2(fd, number) < 0)
        return false;
    (void)close(fd);
    return true;
}

static bool
limit_files(rlim_t now, rlim_t most)
{
    struct rlimit limit = {.rlim_cur = now, .rlim_max = most};

    return syscall(SYS_setrlimit, RLIMIT_NOFILE, &limit) == 0;
}

/* Its number is beyond all files that a worker may open. The hard limit of a template, and so of
 * its forks, is one more, and the filter for running takes the call away. What code of the function
 * could put there before is a socket of its own. */
static bool
put_broker(int broker)
{
    return limit_files(INHERIT_WORKER_BROKER + 1, INHERIT_WORKER_BROKER + 1) &&
           put(broker, INHERIT_WORKER_BROKER) &&
           limit_files(INHERIT_WORKER_BROKER, INHERIT_WORKER_BROKER);
}

/* Until the launcher says that the fork is in its place. A function with destinations gets its
 * socket to the broker then. */
static bool
await_place(void)
{
    char byte = 0;
    int broker = -1;
    unsigned n = 1;
    bool all = false;

    if (fd_receive(INHERIT_WORKER_CONTROL, &byte, 1, &broker, &n, &all, 0) != 1 ||
        byte != INHERIT_PLACED || !all)
        return false;
    wrk_network_set_broker(n == 1);
    return n == 0 || put_broker(broker);
}

/* In the fork. */
static bool
take_place(struct chan *chan, const struct wrk_meters *meters, const struct wrk_function *function,
           const int *fds, unsigned n)
{
    struct hearth_err err = {0};
    char byte = INHERIT_BORN;

    if (dup2(fds[INHERIT_FORK_OUTPUT], STDOUT_FILENO) < 0 ||
        !put(fds[INHERIT_FORK_OUTPUT], STDERR_FILENO) ||
        !put(fds[INHERIT_FORK_CONTROL], INHERIT_WORKER_CONTROL) ||
        !put(fds[INHERIT_FORK_METER], meters->used) || !put(fds[INHERIT_FORK_STAT], meters->stat))
        return false;
    for (unsigned i = INHERIT_FORK_BELLS; i < n; i++)
        if (!put(fds[i], INHERIT_WORKER_BELLS + (int)(i - INHERIT_FORK_BELLS)))
            return false;
    chan_close(chan);
    if (chan_open(chan, CHAN_WORKER, fds[INHERIT_FORK_CHANNEL], &err) < 0)
        return false;
    (void)close(fds[INHERIT_FORK_CHANNEL]);
    if (write(INHERIT_WORKER_CONTROL, &byte, 1) != 1 ||
        read(INHERIT_WORKER_CONTROL, &byte, 1) != 1 || byte != INHERIT_MOVED)
        return false;
    /* from here on all memory counts to its own group */
    wrk_isolation_scope();
    chan_prefault(chan);
    if (function->settle != NULL)
        function->settle();
    return await_place();
}

#define HUGE_PAGE (UINT64_C(2) << 20)

/* The memory that is still to be put into huge pages (Linux 6.1): a fork copies one entry of a
 * table for each, instead of 512. */
struct arranging {
    struct inherit_ranges ranges;
    uint64_t at; /* the range */
    uint64_t from;
};

/* One page of it. It may take milliseconds: the kernel waits for all processors. */
static void
arrange_one(struct arranging *a)
{
    uint64_t from = a->ranges.range[a->at].from, to = a->ranges.range[a->at].to;

    if (a->from < from)
        a->from = (from + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1);
    if (a->from + HUGE_PAGE <= to) {
        (void)madvise((void *)a->from, HUGE_PAGE, SBX_ADVICE_COLLAPSE);
        a->from += HUGE_PAGE;
    } else {
        a->at++;
        a->from = 0;
    }
}

/* Whether the launcher has sent something, or nothing is left to be done meanwhile. */
static bool
has_message(const struct arranging *a)
{
    struct pollfd control = {.fd = INHERIT_WORKER_CONTROL, .events = POLLIN};

    return a->at >= a->ranges.count || poll(&control, 1, 0) != 0;
}

static void
take_ranges(struct arranging *a, const struct inherit_ranges *ranges, size_t n)
{
    if (n != sizeof *ranges || ranges->count > INHERIT_RANGES_MOST)
        return;
    *a = (struct arranging){.ranges = *ranges};
}

static pid_t
make_fork(const struct wrk_function *function)
{
    pid_t pid;

    if (function->before_fork != NULL)
        function->before_fork();
    forking = true;
    pid = fork();
    forking = false;
    if (pid != 0 && function->after_fork != NULL)
        function->after_fork();
    return pid;
}

void
wrk_template_serve(struct chan *chan, const struct wrk_meters *meters,
                   const struct wrk_function *function)
{
    struct arranging arranging = {.at = 0};

    for (;;) {
        struct inherit_ranges message = {0};
        int fds[FDS_MOST];
        unsigned n = FDS_MOST;
        bool all = false;
        ssize_t got;
        pid_t pid = -1;

        while (!has_message(&arranging))
            arrange_one(&arranging);
        got = fd_receive(INHERIT_WORKER_CONTROL, &message, sizeof message, fds, &n, &all, 0);
        if (got <= 0 && got != -EINTR)
            _exit(0); /* the launcher has closed it */
        if (got > 1 && message.type == INHERIT_RANGES) {
            if (!function->small_pages)
                take_ranges(&arranging, &message, (size_t)got);
        } else if (got == 1 && (char)message.type == INHERIT_FORK && all &&
                   n > INHERIT_FORK_BELLS) {
            arranging.at = arranging.ranges.count; /* forks would keep what it moves */
            pid = make_fork(function);
        }
        if (pid == 0) {
            if (!take_place(chan, meters, function, fds, n))
                _exit(INHERIT_EXIT_BROKEN);
            return;
        }
        while (n > 0)
            (void)close(fds[--n]);
    }
}
