/* page_cache.c: reads every byte of the libraries, so that their pages count to its memory. */
#include "attack.h"

static const char *got = "it could not read one library";

int
hearth_init(void)
{
    static const char *const names[] = {"libc.so.6", "libm.so.6", "libgcc_s.so.1",
                                        "libstdc++.so.6"};
    static char bytes[65536], path[128];

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        int fd;

        (void)snprintf(path, sizeof path, "/lib/x86_64-linux-gnu/%s", names[i]);
        fd = open(path, O_RDONLY);
        if (fd < 0)
            continue;
        while (read(fd, bytes, sizeof bytes) > 0)
            got = NULL;
        if (open(path, O_RDWR) >= 0)
            got = "it may write to a library";
        (void)close(fd);
    }
    return 0;
}

const char *
attack(hearth_call *call)
{
    (void)call;
    return got;
}
