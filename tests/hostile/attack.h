/* attack.h: the frame of every attack. An attack is a Hearth function that tries one thing and
 * responds with the result: "held" if the isolation held, "ESCAPED: what" if it did not. Many
 * attacks are killed before they respond: then the platform's error must name what they tried.
 * test_hostile.c knows the expected end of each.
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

/* Tries the attack. NULL: the isolation held; otherwise what it gained. */
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

/* Paths of the host, none of which must be accessible. */
static const char *const host_paths[] = {
    "/etc/machine-id",
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
    "/tmp/../etc/shadow",
    "/lib/../etc/shadow",
    "/fd/../etc/shadow",
    "/fd/0/../etc/shadow",
    "/..//../etc/shadow",
};

/* The first one that can be opened in any way, or NULL. */
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
            /* an empty folder of the jail, such as /proc, is not the host's */
            if (ways[w] == O_PATH && fstat(fd, &st) == 0 && S_ISDIR(st.st_mode)) {
                (void)close(fd);
                continue;
            }
            return host_paths[i];
        }
    return NULL;
}

/* Whether an address is mapped: the kernel reads it as the set of signals to unblock. */
static inline int
is_readable(const void *at)
{
    return syscall(SYS_rt_sigprocmask, SIG_UNBLOCK, at, NULL, 8) == 0;
}

#endif
