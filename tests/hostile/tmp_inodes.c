/* tmp_inodes.c: creates empty files in its /tmp without end. They have no size but use memory. */
#include "attack.h"

const char *
attack(hearth_call *call)
{
    int made = 0;

    (void)call;
    for (; made < 1000000; made++) {
        char path[32];
        int fd;

        (void)snprintf(path, sizeof path, "/tmp/%d", made);
        fd = open(path, O_WRONLY | O_CREAT, 0600);
        if (fd < 0)
            break;
        (void)close(fd);
    }
    if (made == 0)
        return "it could make none, which proves nothing";
    return made > 1000 ? "it made more than a thousand files in 1M" : NULL;
}
