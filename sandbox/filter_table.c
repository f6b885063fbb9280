/* filter_table.c: one row per system call. What has no row is refused by the
 * profile's default: the process dies (workers, gateway), or the call fails with
 * ENOSYS (compiler, whose versions differ in what they try).
 */
#include "filter_table.h"

#include <errno.h>

#include "filter.h"

#define L SBX_PROFILE_LOAD
#define R SBX_PROFILE_RUN
#define B SBX_PROFILE_BUILD
#define G SBX_PROFILE_GATEWAY
#define T SBX_PROFILE_FILES

const struct sbx_rule sbx_rules[] = {
    /* the channel */
    {"futex", L | R | B | G, SBX_ALWAYS, 0, "sleep for and wake the other side of the channel"},
    {"write", L | R | B | G, SBX_ALWAYS, 0,
     "the doorbell; output of the function, which is its log"},
    {"writev", L | R | B | G, SBX_ALWAYS, 0, "buffered output; responses to clients"},
    {"pread64", L | R | B | G, SBX_ALWAYS, 0, "memory in use, from the open file; ELF headers"},
    {"close", L | R | B | G, SBX_ALWAYS, 0, "descriptors of the loader"},
    {"read", L | R | B | G, SBX_ALWAYS, 0, "ELF headers; standard input is empty"},
    {"recvmsg", L | G, SBX_ALWAYS, 0, "the descriptor of the function's object"},

    /* memory */
    {"brk", L | R | B | G, SBX_ALWAYS, 0, "malloc"},
    {"mmap", L, SBX_MAP_CODE, 0, "map the function's code"},
    {"mmap", R | G, SBX_MAP_DATA, 0, "malloc"},
    {"mmap", B, SBX_ALWAYS, 0, "malloc, libraries of the toolchain"},
    {"munmap", L, SBX_NOT_FILTERS, 0, "free"},
    {"munmap", R | B | G, SBX_ALWAYS, 0, "free"},
    {"mremap", L | R, SBX_GROW, 0, "realloc"},
    {"mremap", B | G, SBX_ALWAYS, 0, "realloc"},
    {"mprotect", L, SBX_NOT_WX, 0, "read-only relocations"},
    {"mprotect", R | G, SBX_NOT_EXEC, 0, "malloc, thread stacks"},
    {"mprotect", B, SBX_ALWAYS, 0, "libraries of the toolchain"},
    {"madvise", L | R | B | G, SBX_ALWAYS, 0, "give memory back"},

    /* the end */
    {"exit", L | R | B | G, SBX_ALWAYS, 0, "end"},
    {"exit_group", L | R | B | G, SBX_ALWAYS, 0, "end"},
    {"rt_sigreturn", L | R | B | G, SBX_ALWAYS, 0, "return from the handlers that the worker set"},
    {"gettid", L | R | B | G, SBX_ALWAYS, 0, "abort()"},
    {"getpid", L | R | B | G, SBX_ALWAYS, 0, "abort(); its own namespace's number"},
    {"tgkill", L | R | B | G, SBX_ALWAYS, 0, "abort(); it is alone in its namespace"},
    {"rt_sigprocmask", L | R, SBX_UNBLOCK, EPERM, "abort(); SIGSYS must stay deliverable"},
    {"rt_sigprocmask", B | G, SBX_ALWAYS, 0, "threads, child processes"},
    {"rt_sigaction", L | R, SBX_ALWAYS, EPERM, "handlers belong to the platform"},
    {"rt_sigaction", B | G, SBX_ALWAYS, 0, "handlers"},
    {"sigaltstack", L | R, SBX_ALWAYS, EPERM, "likewise"},

    /* time, chance, harmless questions */
    {"clock_gettime", L | R | B | G, SBX_ALWAYS, 0, "time where the vdso has none"},
    {"clock_getres", L | R | B | G, SBX_ALWAYS, 0, "time"},
    {"gettimeofday", L | R | B | G, SBX_ALWAYS, 0, "time"},
    {"time", L | R | B | G, SBX_ALWAYS, 0, "time"},
    {"clock_nanosleep", L | R | B | G, SBX_ALWAYS, 0, "sleep()"},
    {"nanosleep", L | R | B | G, SBX_ALWAYS, 0, "sleep()"},
    {"restart_syscall", L | R | B | G, SBX_ALWAYS, 0, "sleep() after a stop"},
    {"sched_yield", L | R | B | G, SBX_ALWAYS, 0, "spin politely"},
    {"getrandom", L | R | B | G, SBX_ALWAYS, 0, "hash seeds, malloc"},
    {"getuid", L | R | B | G, SBX_ALWAYS, 0, "its own user"},
    {"geteuid", L | R | B | G, SBX_ALWAYS, 0, "its own user"},
    {"getgid", L | R | B | G, SBX_ALWAYS, 0, "its own group"},
    {"getegid", L | R | B | G, SBX_ALWAYS, 0, "its own group"},
    {"lseek", L | R | B | G, SBX_ALWAYS, 0, "stdio on its output"},
    {"sched_getaffinity", L | R | B | G, SBX_ALWAYS, 0, "how many processors there are"},
    {"sched_setaffinity", L | R, SBX_OWN_AFFINITY, 0, "short calls run on the gateway's core"},
    {"newfstatat", L | B | G, SBX_ALWAYS, 0, "the loader looks for libraries; state files"},
    {"fstat", L | R | B | G, SBX_ALWAYS, 0, "stdio on its output"},

    /* loading only */
    {"openat", L | B | G, SBX_ALWAYS, 0, "libraries in the jail; state files"},
    {"prctl", L, SBX_SET_NAME, 0, "a blank that becomes a worker"},
    {"seccomp", L, SBX_NARROW, 0, "narrow to the RUN profile"},
    {"landlock_add_rule", L, SBX_ALWAYS, 0, "the object may be read; only narrows"},
    {"landlock_restrict_self", L, SBX_ALWAYS, 0, "no other file may; only narrows"},
    {"readlink", L, SBX_ALWAYS, EINVAL, "links of /fd tell paths of the host"},
    {"readlink", B, SBX_ALWAYS, 0, "files in the jail"},

    /* a function with a /tmp of its own */
    {"openat", T, SBX_ALWAYS, 0, "files in /tmp"},
    {"newfstatat", T, SBX_ALWAYS, 0, "files in /tmp"},
    {"statx", T, SBX_ALWAYS, 0, "files in /tmp"},
    {"access", T, SBX_ALWAYS, 0, "files in /tmp"},
    {"pwrite64", T, SBX_ALWAYS, 0, "files in /tmp"},
    {"readv", T, SBX_ALWAYS, 0, "files in /tmp"},
    {"ftruncate", T, SBX_ALWAYS, 0, "files in /tmp"},
    /* on a library of the host, which it has open too, they would flush the host's disk or
     * be a message to other functions; in /tmp, which is one process's, they mean nothing */
    {"fsync", T, SBX_ALWAYS, SBX_PRETEND, "files in /tmp"},
    {"fdatasync", T, SBX_ALWAYS, SBX_PRETEND, "files in /tmp"},
    {"flock", T, SBX_ALWAYS, SBX_PRETEND, "files in /tmp"},
    {"fcntl", T, SBX_LOCK_FCNTL, SBX_PRETEND, "likewise; and no control group counts locks"},
    {"fcntl", T, SBX_PLAIN_FCNTL, 0, "files in /tmp"},
    {"getdents64", T, SBX_ALWAYS, 0, "files in /tmp"},
    {"mkdir", T, SBX_ALWAYS, 0, "files in /tmp"},
    {"rmdir", T, SBX_ALWAYS, 0, "files in /tmp"},
    {"unlink", T, SBX_ALWAYS, 0, "files in /tmp"},
    {"unlinkat", T, SBX_ALWAYS, 0, "files in /tmp"},
    {"rename", T, SBX_ALWAYS, 0, "files in /tmp"},

    /* the gateway: its loop, its clients, its state folder */
    {"epoll_wait", G, SBX_ALWAYS, 0, "the loop"},
    {"epoll_pwait", G, SBX_ALWAYS, 0, "the loop"},
    {"epoll_pwait2", G, SBX_ALWAYS, 0, "the loop"},
    {"epoll_ctl", G, SBX_ALWAYS, 0, "the loop"},
    {"epoll_create1", G, SBX_ALWAYS, 0, "the loop"},
    {"eventfd2", G, SBX_ALWAYS, 0, "wake-ups between threads"},
    {"pipe2", B | G, SBX_ALWAYS, 0, "signals in the loop; gcc -pipe"},
    {"accept4", G, SBX_ALWAYS, 0, "clients"},
    {"getpeername", G, SBX_ALWAYS, 0, "clients"},
    {"getsockname", G, SBX_ALWAYS, 0, "listeners"},
    {"getsockopt", G, SBX_ALWAYS, 0, "clients"},
    {"setsockopt", G, SBX_ALWAYS, 0, "clients"},
    {"listen", G, SBX_ALWAYS, 0, "sockets that the launcher bound"},
    {"shutdown", G, SBX_ALWAYS, 0, "clients"},
    {"sendmsg", G, SBX_ALWAYS, 0, "the launcher, clients"},
    {"ioctl", G, SBX_STREAM_IOCTL, 0, "non-blocking sockets"},
    {"ioctl", B, SBX_ALWAYS, ENOTTY, "isatty"},
    {"fcntl", G, SBX_FILE_FCNTL, 0, "non-blocking sockets, seals of a channel"},
    {"memfd_create", G, SBX_ALWAYS, ENOSYS, "nothing needs it"},
    {"clone", G, SBX_THREAD, 0, "threads of the loop, no process"},
    {"clone3", G | B, SBX_ALWAYS, ENOSYS, "its flags cannot be read by a filter: use clone"},
    {"set_robust_list", B | G, SBX_ALWAYS, 0, "threads"},
    {"rseq", B | G, SBX_ALWAYS, 0, "threads"},
    {"prctl", B, SBX_ALWAYS, EPERM, "nothing needs it"},
    {"mkdirat", G, SBX_ALWAYS, 0, "state folder"},
    {"mkdir", B | G, SBX_ALWAYS, 0, "state folder"},
    {"renameat", G, SBX_ALWAYS, 0, "state folder"},
    {"renameat2", G, SBX_ALWAYS, 0, "state folder"},
    {"rename", B | G, SBX_ALWAYS, 0, "state folder"},
    {"unlinkat", G, SBX_ALWAYS, 0, "state folder"},
    {"unlink", B | G, SBX_ALWAYS, 0, "state folder"},
    {"rmdir", B | G, SBX_ALWAYS, 0, "state folder"},
    {"ftruncate", B | G, SBX_ALWAYS, 0, "state folder"},
    {"fsync", G, SBX_ALWAYS, 0, "state folder"},
    {"fdatasync", G, SBX_ALWAYS, 0, "state folder"},
    {"fchmod", B | G, SBX_ALWAYS, 0, "the token's mode"},
    {"getdents64", B | G, SBX_ALWAYS, 0, "state folder"},
    {"pwrite64", B | G, SBX_ALWAYS, 0, "state folder"},
    {"statx", B | G, SBX_ALWAYS, 0, "state folder"},
    {"prlimit64", B | G, SBX_OWN_LIMITS, 0, "how many descriptors there may be"},
    {"getrusage", B | G, SBX_ALWAYS, 0, "its own metrics"},
    {"sysinfo", B | G, SBX_ALWAYS, 0, "qsort's memory"},

    /* the compiler: processes, files in its jail */
    {"open", B, SBX_ALWAYS, 0, "files in the jail"},
    {"stat", B, SBX_ALWAYS, 0, "files in the jail"},
    {"lstat", B, SBX_ALWAYS, 0, "files in the jail"},
    {"access", B, SBX_ALWAYS, 0, "files in the jail"},
    {"faccessat", B | G, SBX_ALWAYS, 0, "files in the jail"},
    {"faccessat2", B | G, SBX_ALWAYS, 0, "files in the jail"},
    {"readlinkat", B, SBX_ALWAYS, 0, "files in the jail"},
    {"getcwd", B, SBX_ALWAYS, 0, "debug information"},
    {"chmod", B, SBX_ALWAYS, 0, "the linker's output"},
    {"umask", B, SBX_ALWAYS, 0, "the linker's output"},
    {"fallocate", B, SBX_ALWAYS, 0, "the linker's output"},
    {"copy_file_range", B, SBX_ALWAYS, 0, "the linker's output"},
    {"fcntl", B, SBX_FILE_FCNTL, 0, "pipes"},
    {"dup", B, SBX_ALWAYS, 0, "pipes"},
    {"dup2", B, SBX_ALWAYS, 0, "pipes"},
    {"dup3", B, SBX_ALWAYS, 0, "pipes"},
    {"pipe", B, SBX_ALWAYS, 0, "pipes"},
    {"poll", B, SBX_ALWAYS, 0, "pipes"},
    {"pselect6", B, SBX_ALWAYS, 0, "pipes"},
    {"clone", B, SBX_PLAIN_CLONE, 0, "cc1, as and ld"},
    {"fork", B, SBX_ALWAYS, 0, "cc1, as and ld"},
    {"vfork", B, SBX_ALWAYS, 0, "cc1, as and ld"},
    {"execve", B, SBX_ALWAYS, 0, "cc1, as and ld"},
    {"wait4", B, SBX_ALWAYS, 0, "cc1, as and ld"},
    {"waitid", B, SBX_ALWAYS, 0, "cc1, as and ld"},
    {"arch_prctl", B, SBX_ALWAYS, 0, "start of a program"},
    {"set_tid_address", B, SBX_ALWAYS, 0, "start of a program"},
    {"getppid", B, SBX_ALWAYS, 0, "harmless"},
    {"uname", B, SBX_ALWAYS, 0, "harmless"},
    {"getrlimit", B, SBX_ALWAYS, 0, "its own limits"},
    {"setrlimit", B, SBX_STACK_LIMIT, 0, "cc1 raises its stack within the hard limit"},
    {"times", B, SBX_ALWAYS, 0, "its own time"},
    {"alarm", B, SBX_ALWAYS, 0, "harmless"},
};

const unsigned sbx_rules_count = sizeof sbx_rules / sizeof sbx_rules[0];

/* Each asks, or makes something that ends with the process; none reaches a file, a
 * network, another process or a wall. What is not here can never be allowed. */
const struct sbx_extra sbx_extras[] = {
    {"sysinfo", SBX_ALWAYS, "how much memory the host has, its load"},
    {"uname", SBX_ALWAYS, "the kernel's version; the host name is \"hearth\""},
    {"getrusage", SBX_ALWAYS, "its own time and faults"},
    {"times", SBX_ALWAYS, "its own time"},
    {"getcpu", SBX_ALWAYS, "the core it runs on, where the vdso has none"},
    {"getppid", SBX_ALWAYS, "0: its parent is in another namespace"},
    {"getpgrp", SBX_ALWAYS, "its own process group"},
    {"getcwd", SBX_ALWAYS, "\"/\""},
    {"getrlimit", SBX_ALWAYS, "its own limits"},
    {"prlimit64", SBX_OWN_LIMITS, "its own limits"},
    {"getpriority", SBX_ALWAYS, "its own priority"},
    {"sched_getparam", SBX_ALWAYS, "its own policy"},
    {"sched_getscheduler", SBX_ALWAYS, "its own policy"},
    {"readv", SBX_ALWAYS, "several buffers at a time"},
    {"preadv", SBX_ALWAYS, "several buffers at a time"},
    {"dup", SBX_ALWAYS, "copies of its own descriptors"},
    {"dup3", SBX_ALWAYS, "likewise"},
    {"fcntl", SBX_PLAIN_FCNTL, "what a descriptor is"},
    {"pipe2", SBX_ALWAYS, "pipes to itself, counted to its memory"},
    {"eventfd2", SBX_ALWAYS, "event loops"},
    {"timerfd_create", SBX_ALWAYS, "event loops"},
    {"timerfd_settime", SBX_ALWAYS, "event loops"},
    {"timerfd_gettime", SBX_ALWAYS, "event loops"},
    {"epoll_create1", SBX_ALWAYS, "event loops"},
    {"epoll_ctl", SBX_ALWAYS, "event loops"},
    {"epoll_wait", SBX_ALWAYS, "event loops"},
    {"epoll_pwait", SBX_ALWAYS, "event loops"},
    {"poll", SBX_ALWAYS, "event loops"},
    {"ppoll", SBX_ALWAYS, "event loops"},
    {"select", SBX_ALWAYS, "event loops"},
    {"pselect6", SBX_ALWAYS, "event loops"},
};

const unsigned sbx_extras_count = sizeof sbx_extras / sizeof sbx_extras[0];
