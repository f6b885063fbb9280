/* meters.c: what an instance uses, read from its control group. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "instance.h"

int64_t
gw_instance_read(int fd)
{
    char text[64];
    ssize_t got = fd >= 0 ? pread(fd, text, sizeof text - 1, 0) : -1;

    if (got <= 0)
        return 0;
    text[got] = '\0';
    return strtoll(text, NULL, 10);
}

int64_t
gw_instance_cpu_us(const struct gw_instance *inst)
{
    char text[512];
    ssize_t got = inst->cpu_fd >= 0 ? pread(inst->cpu_fd, text, sizeof text - 1, 0) : -1;
    const char *at;

    if (got <= 0)
        return 0;
    text[got] = '\0';
    if (!inst->cpu_in_usec)
        return strtoll(text, NULL, 10) / 1000;
    at = strstr(text, "usage_usec ");
    return at != NULL ? strtoll(at + 11, NULL, 10) : 0;
}
