/* hide.h: what the library folder of the host holds besides libraries. Launcher only. */
#ifndef SANDBOX_HIDE_H
#define SANDBOX_HIDE_H

#include "err.h"

/* The child, in its own mounts, before `root` becomes its root: covers the folders below
 * root/libs in which there is neither a header nor a library to link by the empty folder
 * root/none. Done for each build: which there are changes while the daemon runs, and in mounts
 * of the launcher every worker would pay for them. */
int sbx_hide_folders(const char *root, const char *libs, struct hearth_err *err);

#endif
