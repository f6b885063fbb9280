/* zone.c: see zone.h. */
#include "launcher/zone.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "capabilities.h"
#include "cleanup.h"
#include "launcher/launcher.h"

struct launcher_zone {
    uint32_t refs;
    uint32_t slot;
    bool keeps_slot;
    pid_t pid; /* its first process */
    int pids;
    int life; /* closed, the first process ends */
};

/* Reads from a pipe that nobody writes to, until its end: the zone's, or the launcher's. It may do
 * nothing else. */
static _Noreturn void
be_first(int life, bool with_users)
{
    const uid_t uid = with_users ? LAUNCHER_UID_ZONE : 0;
    struct hearth_err err = {0};
    char byte;

    if (dup2(life, 0) < 0 || syscall(SYS_close_range, 1, ~0U, 0) != 0 ||
        prctl(PR_SET_NAME, "hearth-zone", 0, 0, 0) != 0 || capabilities_drop(uid, uid, &err) < 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT, 0, 0, 0) != 0)
        (void)syscall(SYS_exit, 1);
    while (read(0, &byte, 1) < 0)
        continue;
    (void)syscall(SYS_exit, 0);
    __builtin_unreachable();
}

/* The first process ends once all others of the namespace have been reaped. Those that had a slot
 * were; what a template forked without being asked, if it could, is in its process group. */
static void
end_all(pid_t first)
{
    pid_t ended;

    (void)kill(first, SIGKILL);
    do
        ended = waitpid(-first, NULL, 0);
    while (ended > 0 && ended != first);
    if (ended != first)
        (void)waitpid(first, NULL, 0);
}

struct launcher_zone *
launcher_zone_new(uint32_t slot, bool with_users, struct hearth_err *err)
{
    struct launcher_zone *zone = calloc(1, sizeof *zone);
    struct clone_args args = {.flags = CLONE_NEWPID, .exit_signal = SIGCHLD};
    char path[64];
    int pair[2];

    if (zone == NULL || pipe2(pair, O_CLOEXEC) != 0) {
        (void)err_set(err, errno, "make a zone");
        free(zone);
        return NULL;
    }
    zone->pid = (pid_t)syscall(SYS_clone3, &args, sizeof args);
    if (zone->pid == 0)
        be_first(pair[0], with_users);
    (void)close(pair[0]);
    if (zone->pid > 0)
        (void)setpgid(zone->pid, zone->pid);
    (void)snprintf(path, sizeof path, "/proc/%d/ns/pid", (int)zone->pid);
    zone->pids = zone->pid > 0 ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    zone->life = pair[1];
    zone->refs = 1;
    zone->slot = slot;
    if (zone->pids < 0) {
        (void)err_set(err, errno, "layer \"namespaces\": make a zone");
        (void)launcher_zone_leave(zone, &slot);
        return NULL;
    }
    return zone;
}

int
launcher_zone_pids(const struct launcher_zone *zone)
{
    return zone->pids;
}

pid_t
launcher_zone_first(const struct launcher_zone *zone)
{
    return zone->pid;
}

void
launcher_zone_hold(struct launcher_zone *zone)
{
    zone->refs++;
}

bool
launcher_zone_frees(struct launcher_zone *zone, uint32_t slot)
{
    if (zone->slot != slot)
        return true;
    zone->keeps_slot = zone->refs > 1;
    return !zone->keeps_slot;
}

bool
launcher_zone_leave(struct launcher_zone *zone, uint32_t *slot)
{
    bool kept = zone->keeps_slot;

    if (--zone->refs > 0)
        return false;
    *slot = zone->slot;
    (void)close(zone->life);
    if (zone->pids >= 0)
        (void)close(zone->pids);
    if (zone->pid > 0)
        end_all(zone->pid);
    free(zone);
    return kept;
}
