/* filter.h: the system-call filters, made once by the launcher and gateway with
 * libseccomp and carried to where they are loaded as plain programs.
 */
#ifndef SANDBOX_FILTER_H
#define SANDBOX_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

/* Who is being filtered. Bits, so that one table names all. */
enum sbx_profile {
    SBX_PROFILE_LOAD = 1,    /* a worker until its first call: loads a function */
    SBX_PROFILE_RUN = 2,     /* a worker that serves calls */
    SBX_PROFILE_BUILD = 4,   /* the compiler */
    SBX_PROFILE_GATEWAY = 8, /* the gateway */
    SBX_PROFILE_FILES = 16,  /* besides LOAD and RUN: a worker with a /tmp of its own */
};

/* The file that a worker gets, and maps at SBX_FILTER_AT, read-only: a header, then the
 * programs. The file is sealed against writing, and the LOAD program lets nothing be
 * mapped below SBX_FILTER_END or be unmapped or moved from there. So `run` stays what
 * the launcher made it, whatever a function's constructor does; and `seccomp` is allowed
 * with its address alone: the one filter that can be loaded after LOAD is RUN.
 * The place is the lowest that an unprivileged process may map (vm.mmap_min_addr). */
#define SBX_FILTER_AT  0x10000
#define SBX_FILTER_END 0x20000

struct sbx_filter_program { /* as the kernel's struct sock_fprog */
    uint16_t len;           /* instructions of 8 bytes each */
    uint16_t none[3];
    uint64_t at; /* the address of the first */
};

struct sbx_filter_file {
    struct sbx_filter_program load, run;
};

#define SBX_FILTER_COUNT 2 /* filters of a worker that serves: LOAD, RUN */

/* What the filters of one function's instances allow beyond the usual. */
struct sbx_wider {
    uint64_t calls; /* bits: see sbx_extra_bit */
    bool files;     /* of a /tmp */
};

/* A sealed memory file as above. The caller owns it. */
int sbx_filter_worker_file(const struct sbx_wider *wider, int *fd, struct hearth_err *err);

/* The bit of a call that an operator may allow, by its name; 0 for any other. */
uint64_t sbx_extra_bit(const char *name, size_t len);
uint64_t sbx_extra_all(void);
/* The name of the nth of them, from 0; NULL past the last. */
const char *sbx_extra_name(unsigned n);

/* Loads a profile into the calling process, for good. No-new-privileges must be
 * set already. */
int sbx_filter_apply(enum sbx_profile profile, struct hearth_err *err);

/* The name of a system call of this architecture, or "unknown". */
const char *sbx_filter_syscall_name(int number, char *buf, size_t n);

#endif
