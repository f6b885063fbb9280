/* jail.h: the file-system roots and the network that sandboxed processes get.
 * Launcher only. Both roots are made once, read-only, inside the launcher's own
 * mount namespace: the host never sees them.
 */
#ifndef SANDBOX_JAIL_H
#define SANDBOX_JAIL_H

#include <stdint.h>
#include <sys/types.h>

#include "err.h"

struct sbx_jail {
    char base[256];    /* where the roots are mounted, for the launcher alone */
    char worker[272];  /* libraries, and empty folders "fd" and "tmp" */
    char builder[272]; /* toolchain, header, and empty folders "src" and "tmp" */
    int netns;         /* a network namespace with nothing in it */
};

/* Unshares the launcher's mounts and builds the roots under state/jail. prefix is
 * where Hearth is installed: its header and link library go into the builder's. */
int sbx_jail_make(const char *state, const char *prefix, struct sbx_jail *jail,
                  struct hearth_err *err);

/* The child, as root in fresh mount, pid, ipc and uts namespaces: joins the empty
 * network, mounts what is its own, and makes the jail its root. Nothing of the
 * host is reachable afterwards. A worker sees its own descriptors under /fd, and has a
 * /tmp of that size where it is not 0: a tmpfs, whose pages its control group counts. */
int sbx_jail_enter_worker(const struct sbx_jail *jail, uint64_t tmp_bytes, uid_t uid,
                          struct hearth_err *err);
/* Shows the working directory as /src: it was opened without following a link, and
 * the kernel carries it over into the child's mounts, which it does with no other
 * descriptor. /tmp is a fresh tmpfs of tmp_bytes. */
int sbx_jail_enter_builder(const struct sbx_jail *jail, uint64_t tmp_bytes, struct hearth_err *err);
/* The gateway's child: hides the jails from it and joins the empty network. */
int sbx_jail_leave_out(const struct sbx_jail *jail, struct hearth_err *err);

#endif
