/* tmp_locks.c: may open files and locks files of the host: a library, by which functions could
 * exchange data, and its input. Locks also use kernel memory. */
#include "attack.h"

#include <sys/file.h>

const char *
attack(hearth_call *call)
{
    int library = open("/lib/x86_64-linux-gnu/libc.so.6", O_RDONLY);
    struct flock all = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

    (void)call;
    for (int fd = 0; fd < 64; fd++) {
        (void)flock(fd, LOCK_EX | LOCK_NB);
        all.l_type = fd == library ? F_RDLCK : F_WRLCK;
        (void)fcntl(fd, F_SETLK, &all);
    }
    return library < 0 ? "it could not open a library, which proves nothing" : NULL;
}
