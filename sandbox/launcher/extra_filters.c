/* extra_filters.c: the filters of functions that may make extra system calls. libseccomp needs
 * some milliseconds for a pair of them, so the last few are kept. */
#include "launcher/extra_filters.h"

#include <errno.h>
#include <unistd.h>

static bool
same(const struct sbx_wider *a, const struct sbx_wider *b)
{
    return a->calls == b->calls && a->threads == b->threads && a->files == b->files &&
           a->strict == b->strict && a->network == b->network && a->forks == b->forks &&
           a->python == b->python;
}

bool
launcher_is_usual(const struct sbx_wider *wider)
{
    return same(wider, &(struct sbx_wider){0});
}

/* The entry that has it; else a free one, or the one that was not used for longest. */
static struct launcher_filters *
find_entry(struct launcher *l, const struct sbx_wider *wider)
{
    struct launcher_filters *oldest = &l->extra_filters[0];

    for (int i = 0; i < LAUNCHER_EXTRA_FILTERS; i++) {
        struct launcher_filters *at = &l->extra_filters[i];

        if (at->made && same(&at->wider, wider))
            return at;
        if (at->used < oldest->used)
            oldest = at;
    }
    return oldest;
}

int
launcher_find_filters(struct launcher *l, const struct sbx_wider *wider, int *filters,
                      struct hearth_err *err)
{
    struct launcher_filters *at;
    int fd, status;

    *filters = l->filters;
    if (launcher_is_usual(wider))
        return 0;
    at = find_entry(l, wider);
    if (!at->made || !same(&at->wider, wider)) {
        status = sbx_filter_worker_file(wider, &fd, err);
        if (status < 0)
            return status;
        if (at->made)
            (void)close(at->fd);
        *at = (struct launcher_filters){.wider = *wider, .fd = fd, .made = true};
    }
    at->used = ++l->filters_used;
    *filters = at->fd;
    return 0;
}
