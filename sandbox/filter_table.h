/* filter_table.h: which system calls each profile may make, and why. */
#ifndef SANDBOX_FILTER_TABLE_H
#define SANDBOX_FILTER_TABLE_H

#include <stdbool.h>

/* A condition on the arguments of an allowed call. */
enum sbx_when {
    SBX_ALWAYS,
    SBX_EXEC,              /* mprotect: with PROT_EXEC */
    SBX_NOT_EXEC,          /* mprotect: without PROT_EXEC */
    SBX_NOT_WX,            /* mprotect: not both PROT_WRITE and PROT_EXEC; not of the filters */
    SBX_NOT_FILTERS,       /* munmap: not of the filters, see SBX_FILTER_AT */
    SBX_GROW,              /* mremap: to no place of the caller's choice, no second mapping of the
                            * same; not of the filters */
    SBX_UNBLOCK,           /* rt_sigprocmask: only unblocks, or only asks */
    SBX_MAP_DATA,          /* mmap: as SBX_NOT_EXEC, and no huge pages: no cgroup limits those */
    SBX_CODE_WITHOUT_FILE, /* mmap: executable and anonymous */
    SBX_MAP_CODE,          /* mmap: as SBX_NOT_WX, no huge pages, not over the filters */
    SBX_PLAIN_CLONE,       /* clone: into no namespace of its own */
    SBX_THREAD,            /* clone: only with CLONE_THREAD and CLONE_FILES */
    SBX_MAP_OWN,           /* in place of SBX_MAP_CODE, of a template: nothing that forks share */
    SBX_FORK,              /* clone: a process that is the launcher's child, and nothing else */
    SBX_STREAM_IOCTL,      /* ioctl: only FIONBIO, FIONREAD, FIOCLEX */
    SBX_OWN_LIMITS,        /* prlimit64: only asks, of itself */
    SBX_STACK_LIMIT,       /* setrlimit: only of the stack */
    SBX_FILES_LIMIT,       /* setrlimit: only of open files */
    SBX_COLLAPSE,          /* madvise: only MADV_COLLAPSE */
    SBX_SMALL_PAGES,       /* prctl: only PR_SET_THP_DISABLE */
    SBX_SET_NAME,          /* prctl: only PR_SET_NAME */
    SBX_OWN_AFFINITY,      /* sched_setaffinity: of itself */
    SBX_NARROW,            /* seccomp: only loads the RUN program, where the launcher put it */
    SBX_FILE_FCNTL,        /* fcntl: asks, close-on-exec, status flags, copies and seals; no lock */
    SBX_OWN_FCNTL,         /* fcntl: asks, close-on-exec; status flags and copies, but not of the
                            * eventfds, whose open files the gateway shares; no lock */
    SBX_LOCK_FCNTL,        /* fcntl: only sets locks */
    SBX_SEALS_FCNTL,       /* fcntl: only asks for seals */
    SBX_OWN_IOCTL,       /* ioctl: what a terminal would be asked, FIONREAD, close-on-exec; FIONBIO,
                          * but not of the eventfds */
    SBX_OWN_COPY,        /* dup: not of the eventfds */
    SBX_OWN_HANDLER,     /* rt_sigaction: not of SIGSYS */
    SBX_ADVICE,          /* madvise: only what gives memory back or says how it will be used */
    SBX_UNIX_PAIR,       /* socketpair: only AF_UNIX */
    SBX_OWN_PRCTL,       /* prctl: the thread's name, and questions */
    SBX_TO_BROKER,       /* only on the socket to the broker */
    SBX_NO_ADDRESS,      /* sendto: without an address, and without MSG_FASTOPEN, which connects */
    SBX_SOCKET_OPTION,   /* setsockopt: time limits, buffers, keep-alive, delays */
    SBX_SOCKET_QUESTION, /* getsockopt: these, errors, kinds, sizes and the state of TCP */
};

/* As an errno: the call does nothing, and says that it succeeded. */
#define SBX_PRETEND (-1)
/* Of RUN: no longer allowed where `when` says so; the handler of SIGSYS answers. */
#define SBX_TAKEN (-2)

struct sbx_rule {
    const char *call;
    unsigned profiles;
    enum sbx_when when;
    /* 0: allowed. SBX_PRETEND: done in words only, where `when` says so. SBX_TAKEN: see there.
     * Else refused with this errno, whatever `when` says not. */
    int error;
    const char *reason;
};

extern const struct sbx_rule sbx_rules[];
extern const unsigned sbx_rules_count;

/* Calls that a worker has no row for, or that its row does not cover, do nothing. They are answered
 * by its handler of SIGSYS: with an errno, or with death. */
struct sbx_answer {
    const char *call;
    int error; /* SBX_DEADLY, SBX_EMULATED, or an errno */
    const char *reason;
};

extern const struct sbx_answer sbx_answers[];
extern const unsigned sbx_answers_count;

/* Calls that an operator may allow one function: nothing else can be. Their places in
 * the table are bits of sbx_wider.calls. */
struct sbx_extra {
    const char *call;
    enum sbx_when when;
    bool usual; /* every function may make it; the name is still accepted */
    const char *reason;
};

extern const struct sbx_extra sbx_extras[];
extern const unsigned sbx_extras_count;

#endif
