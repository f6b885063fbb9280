/* filter.h: the system-call filters. libseccomp makes them; workers get theirs as plain
 * programs, made by the launcher.
 */
#ifndef SANDBOX_FILTER_H
#define SANDBOX_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

/* The processes that are filtered. Bits, so that one table serves all. */
enum sbx_profile {
    SBX_PROFILE_LOAD = 1,     /* a worker until its first call: loads a function */
    SBX_PROFILE_RUN = 2,      /* a worker that serves calls: what is taken from LOAD, which stays */
    SBX_PROFILE_BUILD = 4,    /* the compiler */
    SBX_PROFILE_GATEWAY = 8,  /* the gateway */
    SBX_PROFILE_FILES = 16,   /* in addition to LOAD: a worker with a /tmp */
    SBX_PROFILE_THREADS = 32, /* in addition to LOAD: a worker with threads */
    SBX_PROFILE_NETWORK = 64, /* in addition to LOAD: a worker with destinations */
    SBX_PROFILE_BROKER = 128, /* the broker */
    SBX_PROFILE_TEMPLATE = 256, /* in addition to LOAD: a worker that forks further ones */
    SBX_PROFILE_PYTHON = 512,   /* in addition to RUN: what is taken from an interpreter */
    SBX_PROFILE_PAIRS = 1024,   /* in addition to LOAD: pairs of sockets, of an interpreter */
};

/* The file that a worker gets, and maps at SBX_FILTER_AT, read-only: a header, then the programs.
 * The file is sealed against writing, and the LOAD program allows no mapping, unmapping or moving
 * below SBX_FILTER_END. So no constructor of a function can change `run`. The call `seccomp` is
 * allowed only with the address of `run`: RUN is the only filter that can be loaded after LOAD.
 * The address is the lowest that an unprivileged process may map (vm.mmap_min_addr). */
#define SBX_FILTER_AT  0x10000
#define SBX_FILTER_END 0x20000

struct sbx_filter_program { /* as the kernel's struct sock_fprog */
    uint16_t len;           /* instructions of 8 bytes each */
    uint16_t none[3];
    uint64_t at; /* the address of the first */
};

#define SBX_SYSCALLS 512 /* numbers from here on are ENOSYS */

struct sbx_filter_file {
    struct sbx_filter_program load, run;
    uint32_t threads; /* that the function may have */
    uint32_t strict;  /* 1: what is refused is deadly */
    uint32_t network; /* 1: it has a socket to the broker */
    uint32_t forks;   /* 1: it may become a template */
    /* by number: what a call is answered that the programs do not allow: an errno, or one of
     * the values below */
    uint8_t answers[SBX_SYSCALLS];
};

#define SBX_DEADLY   0   /* the process dies: no honest program makes this call here */
#define SBX_EMULATED 255 /* the handler answers it: see worker/refusals.c */

/* madvise(2), MADV_COLLAPSE, of a template; the headers of the base machine lack it. */
#define SBX_ADVICE_COLLAPSE 25

/* clone of a template, and no other flags. CLONE_PARENT: the launcher waits for it. */
#define SBX_FORK_FLAGS (CLONE_PARENT | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | SIGCHLD)

/* A worker makes this call to die of SIGSYS, which no handler then catches. */
#define SBX_DOOM_SYSCALL  SYS_ptrace
#define SBX_DOOM_ARGUMENT 0x6d6f6f64

#define SBX_FILTER_COUNT 2 /* filters of a worker that serves: LOAD, RUN */

/* How the filters of one function's instances differ from the usual ones, which are all 0. */
struct sbx_wider {
    uint64_t calls;   /* bits: see sbx_extra_bit; none of those that are usual */
    uint32_t threads; /* beyond the first */
    bool files;       /* of a /tmp */
    bool strict;      /* what is refused is deadly */
    bool network;     /* it may ask the broker for connections */
    bool forks;       /* it may become a template */
    bool python;      /* it runs an interpreter: less is left once it serves */
};

/* Makes that file: sealed, in memory. The caller owns it. */
int sbx_filter_worker_file(const struct sbx_wider *wider, int *fd, struct hearth_err *err);

/* The errno that a worker gets for a call that is not allowed, by number; 0: it is deadly, or
 * emulated. *setting: the name of a setting that may allow it, or NULL. */
int sbx_filter_refusal(int number, const char **setting);

/* The bit of a call that an operator may allow, by its name; 0 for any other. */
uint64_t sbx_extra_bit(const char *name, size_t len);
uint64_t sbx_extra_all(void);
/* Those that need a filter of their own: the others are allowed anyway. */
uint64_t sbx_extra_unusual(void);
/* The name of the nth of them, from 0; NULL past the last. */
const char *sbx_extra_name(unsigned n);

/* Loads a profile into the calling process; this cannot be undone. No-new-privileges must be set
 * already. */
int sbx_filter_apply(enum sbx_profile profile, struct hearth_err *err);

/* The name of a system call of this architecture, or "unknown". */
const char *sbx_filter_syscall_name(int number, char *buf, size_t n);

#endif
