/* template.c: see template.h. The fork is the C library's, so that its state and the handlers of
 * libraries are as after any fork; its clone is trapped by the filter, and made here as a child of
 * the launcher. The launcher has raised the template's limit of processes for this one fork.
 *
 * Nothing here keeps a function in: code of its init could do the same, once for each time that the
 * launcher asks, and gets an instance for which all walls stand.
 */
#include "template.h"

#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fd_passing.h"
#include "filter.h"
#include "inherit.h"
#include "isolation.h"
#include "limits.h"

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

/* In the fork. */
static bool
take_place(struct chan *chan, int *meter, const int *fds, unsigned n)
{
    struct hearth_err err = {0};
    char byte = INHERIT_BORN;

    if (dup2(fds[INHERIT_FORK_OUTPUT], STDOUT_FILENO) < 0 ||
        !put(fds[INHERIT_FORK_OUTPUT], STDERR_FILENO) ||
        !put(fds[INHERIT_FORK_CONTROL], INHERIT_WORKER_CONTROL) ||
        !put(fds[INHERIT_FORK_METER], *meter))
        return false;
    for (unsigned i = INHERIT_FORK_BELLS; i < n; i++)
        if (!put(fds[i], INHERIT_WORKER_BELLS + (int)(i - INHERIT_FORK_BELLS)))
            return false;
    chan_close(chan);
    if (chan_open(chan, CHAN_WORKER, fds[INHERIT_FORK_CHANNEL], &err) < 0)
        return false;
    (void)close(fds[INHERIT_FORK_CHANNEL]);
    if (write(INHERIT_WORKER_CONTROL, &byte, 1) != 1 ||
        read(INHERIT_WORKER_CONTROL, &byte, 1) != 1 || byte != INHERIT_PLACED)
        return false;
    wrk_isolation_scope();
    chan_prefault(chan);
    return true;
}

/* madvise(2); the headers of the base machine lack it */
#define ADVICE_COLLAPSE 25
#define HUGE_PAGE       (UINT64_C(2) << 20)

static void
collapse(FILE *maps)
{
    char line[512], rights[8];

    while (fgets(line, sizeof line, maps) != NULL) {
        uint64_t from, to, inode;

        if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %7s %*x %*x:%*x %" SCNu64, &from, &to, rights,
                   &inode) != 4 ||
            strcmp(rights, "rw-p") != 0 || inode != 0 || strstr(line, "[stack]") != NULL)
            continue;
        from = (from + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1);
        to &= ~(HUGE_PAGE - 1);
        if (from < to)
            (void)madvise((void *)from, to - from, ADVICE_COLLAPSE);
    }
}

int
wrk_template_use_huge_pages(void)
{
    int maps = -1;
    unsigned n = 1;
    char byte = 0;
    bool all = false;
    FILE *file;

    if (fd_receive(INHERIT_WORKER_CONTROL, &byte, 1, &maps, &n, &all, 0) != 1 ||
        byte != INHERIT_MAPS || n != 1)
        return -EPROTO;
    file = fdopen(maps, "re");
    if (file == NULL) {
        (void)close(maps);
        return 0;
    }
    collapse(file);
    (void)fclose(file);
    return 0;
}

void
wrk_template_serve(struct chan *chan, int *meter)
{
    for (;;) {
        int fds[FDS_MOST];
        unsigned n = FDS_MOST;
        char byte = 0;
        bool all = false;
        ssize_t got = fd_receive(INHERIT_WORKER_CONTROL, &byte, 1, fds, &n, &all, 0);
        pid_t pid = -1;

        if (got <= 0 && got != -EINTR)
            _exit(0); /* the launcher has closed it */
        if (got == 1 && byte == INHERIT_FORK && all && n > INHERIT_FORK_BELLS) {
            forking = true;
            pid = fork();
            forking = false;
        }
        if (pid == 0) {
            if (!take_place(chan, meter, fds, n))
                _exit(INHERIT_EXIT_BROKEN);
            return;
        }
        while (n > 0)
            (void)close(fds[--n]);
    }
}
