/* meters.c: the memory of this instance: its limit, and what it uses. */
#include <stdlib.h>
#include <unistd.h>

#include "api.h"
#include "environment.h"

static struct chan *limit_from;
static int meter = -1;

void
wrk_meters_set(struct chan *chan, int memory_fd)
{
    limit_from = chan;
    meter = memory_fd;
}

size_t
hearth_memory_limit(void)
{
    return atomic_load(&limit_from->shared->memory_limit);
}

size_t
hearth_memory_used(void)
{
    char text[32];
    ssize_t got = pread(meter, text, sizeof text - 1, 0);

    if (got <= 0)
        return 0;
    text[got] = '\0';
    return strtoull(text, NULL, 10);
}
