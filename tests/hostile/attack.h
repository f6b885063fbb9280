/* attack.h: what every attack shares. An attack is a function of Hearth's that tries one
 * thing and says through its answer whether it got anywhere: "held" where the wall stood,
 * "ESCAPED: what" where it did not. Many do not live to answer: then the platform's
 * error names what they tried. test_hostile.c knows what each has to end in.
 */
#ifndef ATTACK_H
#define ATTACK_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <errno.h>
#include <fcntl.h>
#include <hearth.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Tries; NULL where the wall held, else what was got. */
const char *attack(hearth_call *call);

int
hearth_handle(hearth_call *call)
{
    const char *got;

    if (hearth_query(call, "well") != NULL)
        return hearth_printf(call, "well\n");
    got = attack(call);
    return got == NULL ? hearth_printf(call, "held\n") : hearth_printf(call, "ESCAPED: %s\n", got);
}

/* What stands at these places of the host, and none of it may be had here. */
static const char *const host_paths[] = {
    "/etc/passwd",
    "/etc/shadow",
    "/etc/hostname",
    "/root",
    "/home",
    "/var/lib/hearth/token",
    "/proc/self/mem",
    "/proc/self/environ",
    "/proc/1/mem",
    "/proc/1/maps",
    "/proc/self/fd",
    "/proc/sys/kernel/core_pattern",
    "/proc/sysrq-trigger",
    "/sys/fs/cgroup",
    "/sys/kernel/mm",
    "/dev/mem",
    "/dev/shm",
    "/dev/tty",
    "/dev/kmsg",
    "/bin/sh",
    "/usr/bin/env",
    "/run",
    "/tmp/../etc/passwd",
    "/lib/../etc/passwd",
    "/fd/../etc/passwd",
    "/fd/0/../etc/passwd",
    "/..//../etc/passwd",
};

/* The first of them that can be opened in any way, or NULL. */
static inline const char *
open_any_host_path(void)
{
    static const int ways[] = {O_RDONLY, O_WRONLY, O_RDWR, O_PATH, O_RDONLY | O_DIRECTORY};

    for (size_t i = 0; i < sizeof host_paths / sizeof host_paths[0]; i++)
        for (size_t w = 0; w < sizeof ways / sizeof ways[0]; w++) {
            int fd = open(host_paths[i], ways[w]);
            struct stat st;

            if (fd < 0)
                continue;
            /* an empty folder of the jail's own, such as /proc, is nothing of the host's */
            if (ways[w] == O_PATH && fstat(fd, &st) == 0 && S_ISDIR(st.st_mode)) {
                (void)close(fd);
                continue;
            }
            return host_paths[i];
        }
    return NULL;
}

/* Whether there is memory at an address: the kernel looks for us, as it would for a set of
 * signals to unblock. */
static inline int
is_readable(const void *at)
{
    return syscall(SYS_rt_sigprocmask, SIG_UNBLOCK, at, NULL, 8) == 0;
}

#endif
