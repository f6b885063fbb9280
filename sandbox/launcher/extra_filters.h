/* extra_filters.h: the filters of functions that are allowed more than usual. */
#ifndef SANDBOX_LAUNCHER_EXTRA_FILTERS_H
#define SANDBOX_LAUNCHER_EXTRA_FILTERS_H

#include "launcher/launcher.h"

/* Whether blanks, which have the usual filters, serve for it. */
bool launcher_is_usual(const struct sbx_wider *wider);
/* The launcher owns *filters, and may close it at the next call. */
int launcher_find_filters(struct launcher *l, const struct sbx_wider *wider, int *filters,
                          struct hearth_err *err);

#endif
