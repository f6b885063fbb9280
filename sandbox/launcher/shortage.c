/* shortage.c: see shortage.h. */
#include "launcher/shortage.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"

#define PRESSURE 5.0 /* percent */

static double
number_after(const char *text, const char *key)
{
    const char *at = strstr(text, key);

    return at != NULL ? strtod(at + strlen(key), NULL) : 0;
}

bool
shortage_shows(const char *pressure, const char *meminfo)
{
    double total = number_after(meminfo, "MemTotal:");

    return number_after(pressure, "some avg10=") >= PRESSURE ||
           (total > 0 && number_after(meminfo, "MemAvailable:") < total / 10);
}

static void
read_text(const char *path, char *text, size_t n)
{
    cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd >= 0 ? read(fd, text, n - 1) : 0;

    text[got > 0 ? got : 0] = '\0';
}

bool
shortage_now(void)
{
    char pressure[256], meminfo[2048];

    read_text("/proc/pressure/memory", pressure, sizeof pressure);
    read_text("/proc/meminfo", meminfo, sizeof meminfo);
    return shortage_shows(pressure, meminfo);
}
