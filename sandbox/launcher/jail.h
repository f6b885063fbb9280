/* jail.h: the file-system roots and the network of sandboxed processes. Both roots are made
 * once, read-only, in the mount namespace of the launcher: the host does not see them.
 */
#ifndef SANDBOX_JAIL_H
#define SANDBOX_JAIL_H

#include <stdint.h>
#include <sys/types.h>

#include "err.h"

struct sbx_jail {
    char base[256];    /* where the roots are mounted; only the launcher sees it */
    char worker[272];  /* libraries, and empty folders "fd" and "tmp" */
    char builder[272]; /* toolchain, headers, libraries, and empty folders "src", "tmp", "none" */
    int netns;         /* a network namespace with nothing in it */
};

/* Unshares the mounts of the launcher and builds the roots under state/jail. prefix: where Hearth
 * is installed; its header and link library go into the root of the builder. */
int sbx_jail_make(const char *state, const char *prefix, struct sbx_jail *jail,
                  struct hearth_err *err);

/* The child, as root in new mount, pid, ipc and uts namespaces: joins the empty network, mounts
 * its own file systems, and makes the jail its root. It cannot reach files of the host
 * afterwards. A worker sees its own descriptors under /fd. If tmp_bytes is not 0, it has a /tmp of
 * that size: a tmpfs, whose pages count in its control group. files: a mount that is attached
 * nowhere, which becomes /function, or -1: then that leads to a descriptor, which the forks of a
 * template could not open by its path. */
int sbx_jail_enter_worker(const struct sbx_jail *jail, uint64_t tmp_bytes, uid_t uid, int files,
                          struct hearth_err *err);
/* Mounts the working directory as /src. It was opened without following a link, and it is the one
 * descriptor that the kernel takes over into the mounts of the child. /tmp is a new tmpfs of
 * tmp_bytes. */
int sbx_jail_enter_builder(const struct sbx_jail *jail, uint64_t tmp_bytes, struct hearth_err *err);
/* A process that has nothing to do with the jails: unmounts them. */
int sbx_jail_hide(const struct sbx_jail *jail, struct hearth_err *err);
/* The process that becomes the gateway: the same, and joins the empty network. */
int sbx_jail_leave_out(const struct sbx_jail *jail, struct hearth_err *err);

#endif
