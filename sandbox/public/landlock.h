/* landlock.h: limits which files a process may reach, independent of its mounts: one more
 * isolation layer, on Linux 5.13 and later. Needs no privilege. A restriction is permanent, for the
 * process and all its children.
 *
 * With ABI 4 the process also cannot bind or connect a TCP socket; with ABI 6 it cannot reach an
 * abstract unix socket of another process, nor signal a process outside.
 */
#ifndef SANDBOX_LANDLOCK_H
#define SANDBOX_LANDLOCK_H

#include "err.h"

enum sbx_landlock_access {
    SBX_LANDLOCK_READ,    /* read files */
    SBX_LANDLOCK_LIST,    /* read files, list folders */
    SBX_LANDLOCK_WRITE,   /* read and write files that are there */
    SBX_LANDLOCK_EXECUTE, /* read files, list folders, execute */
    SBX_LANDLOCK_CHANGE,  /* read, list; make, write and remove files and folders */
};

/* The Landlock ABI of this kernel, from 1; 0: it has no Landlock. */
int sbx_landlock_abi(void);

/* A set of rules that allows nothing yet. 0, and *rules is a close-on-exec descriptor that the
 * caller owns, or -1 if the kernel has no Landlock: then the calls below do nothing. A negative
 * errno if the kernel has Landlock and this fails. */
int sbx_landlock_begin(int *rules, struct hearth_err *err);
/* Allows all below a folder, or one file. A path that does not exist is skipped. */
int sbx_landlock_allow(int rules, const char *path, enum sbx_landlock_access access,
                       struct hearth_err *err);
/* For reading, which all ABIs know: so it makes no other system call than to add the rule. */
int sbx_landlock_allow_fd(int rules, int fd, enum sbx_landlock_access access,
                          struct hearth_err *err);
/* A set of rules for later that forbids signals to processes outside and nothing else; -1 where the
 * kernel has no such rule (before ABI 6). */
int sbx_landlock_signals(void);
/* Restricts the process to what was allowed, and closes rules. No-new-privileges must be set. */
int sbx_landlock_enforce(int rules, struct hearth_err *err);

#endif
