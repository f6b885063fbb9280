/* fd_links.c: reads the links in /fd, which would reveal paths of the host. */
#include "attack.h"

static const char *got;

int
hearth_init(void)
{
    static char text[256];
    char path[32];

    for (int fd = 0; fd < 128; fd++) {
        (void)snprintf(path, sizeof path, "/fd/%d", fd);
        if (readlink(path, text, sizeof text - 1) > 0)
            got = text;
    }
    return 0;
}

const char *
attack(hearth_call *call)
{
    (void)call;
    return got;
}
