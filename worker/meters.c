/* meters.c: the memory of this instance: its limit, and what it uses. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api.h"
#include "environment.h"

static struct chan *limit_from;
static struct wrk_meters meters = {-1, -1};

void
wrk_meters_set(struct chan *chan, const struct wrk_meters *from)
{
    limit_from = chan;
    meters = *from;
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
    ssize_t got = pread(meters.used, text, sizeof text - 1, 0);

    if (got <= 0)
        return 0;
    text[got] = '\0';
    return strtoull(text, NULL, 10);
}

size_t
wrk_memory_of_files(void)
{
    static const char *const names[] = {"\ninactive_file ", "\nactive_file "};
    char text[4096];
    ssize_t got = pread(meters.stat, text, sizeof text - 1, 0);
    size_t sum = 0;

    if (got <= 0)
        return 0;
    text[got] = '\0';
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const char *at = strstr(text, names[i]);

        sum += at != NULL ? strtoull(at + strlen(names[i]), NULL, 10) : 0;
    }
    return sum;
}
