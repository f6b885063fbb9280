/* tmp_memory.c: fills a /tmp that is larger than its memory limit. */
#include "attack.h"

const char *
attack(hearth_call *call)
{
    static char bytes[65536];
    int fd = open("/tmp/large", O_WRONLY | O_CREAT, 0600);

    (void)call;
    for (int i = 0; i < 1024; i++)
        if (write(fd, bytes, sizeof bytes) <= 0)
            return NULL;
    return "its /tmp does not count to its memory";
}
