/* list_jail.c: lists the folders of its jail, which would reveal what the host has installed. The
 * mounts allow it; Landlock does not. */
#include "attack.h"

static const char *got;

int
hearth_init(void)
{
    static const char *const folders[] = {"/", "/usr", "/usr/lib", "/lib64", "/etc", "/fd"};

    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++)
        if (open(folders[i], O_RDONLY | O_DIRECTORY) >= 0)
            got = folders[i];
    return 0;
}

const char *
attack(hearth_call *call)
{
    (void)call;
    return got;
}
