/* tmp_fill.c: writes more to its /tmp than fits. */
#include "attack.h"

const char *
attack(hearth_call *call)
{
    static char bytes[65536];
    size_t written = 0;

    (void)call;
    (void)signal(SIGXFSZ, SIG_IGN);
    for (int file = 0; file < 64; file++) {
        char path[32];
        int fd;
        ssize_t n;

        (void)snprintf(path, sizeof path, "/tmp/%d", file);
        fd = open(path, O_WRONLY | O_CREAT, 0600);
        for (int i = 0; fd >= 0 && i < 8 && (n = write(fd, bytes, sizeof bytes)) > 0; i++)
            written += (size_t)n;
        if (fd >= 0)
            (void)close(fd);
    }
    if (written == 0)
        return "it could write nothing, which proves nothing";
    return written > 1 << 20 ? "it holds more than 1M" : NULL;
}
