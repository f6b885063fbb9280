/* landlock.h: which files a process may reach, whatever its mounts show it: one more
 * wall, on kernels that have it (Linux 5.13 and later). Needs no privilege; what is
 * refused once stays refused for the process and all its children.
 *
 * Where the kernel also knows how (ABI 4, 6), a process behind it binds and connects no
 * TCP socket, and reaches no abstract unix socket and no process outside by a signal.
 */
#ifndef SANDBOX_LANDLOCK_H
#define SANDBOX_LANDLOCK_H

#include "err.h"

enum sbx_landlock_access {
    SBX_LANDLOCK_READ,    /* read files */
    SBX_LANDLOCK_EXECUTE, /* read files, list folders, execute */
    SBX_LANDLOCK_CHANGE,  /* likewise but for executing; make, write and remove files, folders */
};

/* The ABI that this kernel speaks, from 1; 0 where it has no Landlock. */
int sbx_landlock_abi(void);

/* A set of rules that refuses everything so far: 0 and *rules is a close-on-exec
 * descriptor that the caller owns, or -1 where the kernel has no Landlock, with which
 * the calls below do nothing. A negative errno where it has and refuses. */
int sbx_landlock_begin(int *rules, struct hearth_err *err);
/* Allows what is beneath a folder, or one file. A path that is not there is left out. */
int sbx_landlock_allow(int rules, const char *path, enum sbx_landlock_access access,
                       struct hearth_err *err);
int sbx_landlock_allow_file(int rules, int fd, struct hearth_err *err); /* to read it */
/* From here on nothing else. Closes rules. No-new-privileges must be set. */
int sbx_landlock_enforce(int rules, struct hearth_err *err);

#endif
