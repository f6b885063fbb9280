/* filter.h: the system-call filters, made once by the launcher and gateway with
 * libseccomp and carried to where they are loaded as plain programs.
 */
#ifndef SANDBOX_FILTER_H
#define SANDBOX_FILTER_H

#include <stddef.h>
#include <stdint.h>

#include "err.h"

/* Who is being filtered. Bits, so that one table names all. */
enum sbx_profile {
    SBX_PROFILE_LOAD = 1,    /* a worker until its first call: loads a function */
    SBX_PROFILE_RUN = 2,     /* a worker that serves calls */
    SBX_PROFILE_BUILD = 4,   /* the compiler */
    SBX_PROFILE_GATEWAY = 8, /* the gateway */
};

/* The file that a worker gets: a header, then the two programs. */
struct sbx_filter_file {
    uint32_t load_len, run_len; /* instructions of 8 bytes each */
};

/* A sealed memory file with the LOAD and the RUN program. The caller owns it. */
int sbx_filter_worker_file(int *fd, struct hearth_err *err);

/* Loads a profile into the calling process, for good. No-new-privileges must be
 * set already. */
int sbx_filter_apply(enum sbx_profile profile, struct hearth_err *err);

/* The name of a system call of this architecture, or "unknown". */
const char *sbx_filter_syscall_name(int number, char *buf, size_t n);

#endif
