/* tmp_dotdot.c: looks for the host's files from its /tmp. With a /tmp it may open files. */
#include "attack.h"

const char *
attack(hearth_call *call)
{
    int fd = open("/tmp", O_RDONLY | O_DIRECTORY);

    (void)call;
    if (fd < 0)
        return "it has no /tmp at all";
    if (openat(fd, "../etc/shadow", O_RDONLY) >= 0 || openat(fd, "../../etc/shadow", O_RDONLY) >= 0)
        return "/tmp leads out";
    return open_any_host_path();
}
