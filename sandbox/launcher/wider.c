/* wider.c: the filters of functions that are allowed more than usual. Making a pair of
 * them takes libseccomp some milliseconds, so the last few are kept. */
#include <errno.h>
#include <unistd.h>

#include "launcher/launcher.h"

static bool
same(const struct sbx_wider *a, const struct sbx_wider *b)
{
    return a->calls == b->calls && a->files == b->files;
}

/* Its place where it is kept, else the one to be had: free, or used the longest ago. */
static struct launcher_filters *
place_of(struct launcher *l, const struct sbx_wider *wider)
{
    struct launcher_filters *oldest = &l->wider[0];

    for (int i = 0; i < LAUNCHER_WIDER; i++) {
        struct launcher_filters *at = &l->wider[i];

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
    if (wider->calls == 0 && !wider->files)
        return 0;
    if ((wider->calls & ~sbx_extra_all()) != 0)
        return err_set(err, EINVAL, "allow system calls that no function may make");
    at = place_of(l, wider);
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
