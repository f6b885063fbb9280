/* cut.c: see cut.h. The sockets are the worker's own: a copy of each descriptor is taken, and shut
 * down. A running function could move a descriptor about faster than it is found, so its threads
 * are stopped first; they share one table of descriptors, since the filter allows no clone without
 * CLONE_FILES, and no message can carry a descriptor out of it and back. A mapping could keep a
 * socket without a descriptor, and a signal of its own let it go on: both are looked for.
 */
#include "launcher/cut.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"
#include "launcher/child.h"
#include "launcher/report.h"

#define STOP_MS 20 /* a thread that waits for the disk stops later */

/* Whether it was let go on after it had stopped: a timer of its own can send SIGCONT. */
static bool
has_continued(const struct launcher_child *c, int keep)
{
    siginfo_t info = {0};

    return waitid(P_PIDFD, (id_t)c->pidfd, &info, WCONTINUED | WNOHANG | keep) == 0 &&
           info.si_pid != 0;
}

/* 1 once all threads stand still; 0: it has ended; or a negative errno. */
static int
stop(const struct launcher_child *c)
{
    struct pollfd end = {.fd = c->pidfd, .events = POLLIN};

    (void)has_continued(c, 0); /* from the time before */
    if (syscall(SYS_pidfd_send_signal, c->pidfd, SIGSTOP, NULL, 0) != 0)
        return errno == ESRCH ? 0 : -errno;
    for (int i = 0; i < STOP_MS; i++) {
        siginfo_t info = {0};

        if (waitid(P_PIDFD, (id_t)c->pidfd, &info, WSTOPPED | WNOHANG | WNOWAIT) == 0 &&
            info.si_pid != 0)
            return 1;
        if (poll(&end, 1, 1) != 0)
            return 0;
    }
    return -ETIMEDOUT;
}

static bool
is_named(const char *link, const struct launch_cut *cut)
{
    uint64_t inode;

    if (sscanf(link, "socket:[%" SCNu64 "]", &inode) != 1)
        return false;
    for (uint32_t i = 0; i < cut->count; i++)
        if (cut->inode[i] == inode)
            return true;
    return false;
}

/* A mapping holds a socket without a descriptor: no library has one. 0, or a negative errno. */
static int
look_for_mappings(const struct launcher_child *c, const struct launch_cut *cut)
{
    char path[64], line[512];
    cleanup_file FILE *file = NULL;

    (void)snprintf(path, sizeof path, "/proc/%d/maps", (int)c->pid);
    file = fopen(path, "re");
    if (file == NULL)
        return -errno;
    while (fgets(line, sizeof line, file) != NULL) {
        const char *at = strstr(line, "socket:[");

        if (at != NULL && is_named(at, cut))
            return -EBUSY;
    }
    return ferror(file) != 0 ? -EIO : 0;
}

static int
shut_down(const struct launcher_child *c, int number)
{
    cleanup_close int fd = (int)syscall(SYS_pidfd_getfd, c->pidfd, number, 0);

    if (fd < 0)
        return -errno;
    return shutdown(fd, SHUT_RDWR) == 0 || errno == ENOTCONN ? 0 : -errno;
}

/* Of a stopped process. 0, or a negative errno. */
static int
shut_down_named(const struct launcher_child *c, const struct launch_cut *cut)
{
    char path[64], link[64];
    cleanup_dir DIR *dir = NULL;
    const struct dirent *e;
    int seen = 0, status = 0;

    (void)snprintf(path, sizeof path, "/proc/%d/fd", (int)c->pid);
    dir = opendir(path);
    if (dir == NULL)
        return -errno;
    while (status == 0 && (e = readdir(dir)) != NULL) {
        ssize_t n = readlinkat(dirfd(dir), e->d_name, link, sizeof link - 1);

        if (n < 0)
            continue; /* "." and ".." */
        seen++;
        link[n] = '\0';
        if (is_named(link, cut))
            status = shut_down(c, atoi(e->d_name));
    }
    /* its first thread has exited, and the others' descriptors cannot be seen: each worker has some
     */
    return status == 0 && seen == 0 ? -EBADF : status;
}

void
launcher_cut(struct launcher *l, const struct launcher_child *c, const struct launch_cut *cut)
{
    int status = stop(c);

    if (status == 0)
        return;
    if (status > 0)
        status = shut_down_named(c, cut);
    if (status == 0)
        status = look_for_mappings(c, cut);
    if (status == 0 && has_continued(c, WNOWAIT))
        status = -EINTR;
    if (status < 0) {
        launcher_log_error(
            l, "connections of instance %" PRIu64 " could not be ended (%s): killing it", c->id,
            strerror(-status));
        launcher_kill_child(c);
    }
    (void)syscall(SYS_pidfd_send_signal, c->pidfd, SIGCONT, NULL, 0);
}
