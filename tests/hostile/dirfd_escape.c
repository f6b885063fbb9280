/* dirfd_escape.c: leaves the jail through any open descriptor, and through /fd. */
#include "attack.h"

static const char *got;

int
hearth_init(void)
{
    char path[64];

    for (int fd = -1; fd < 128 && got == NULL; fd++) {
        if (openat(fd, "../../../../etc/shadow", O_RDONLY) >= 0 || openat(fd, "..", O_RDONLY) >= 0)
            got = "a descriptor leads out";
        (void)snprintf(path, sizeof path, "/fd/%d/../../../etc/shadow", fd);
        if (fd >= 0 && open(path, O_RDONLY) >= 0)
            got = "/fd leads out";
    }
    return 0;
}

const char *
attack(hearth_call *call)
{
    (void)call;
    return got;
}
