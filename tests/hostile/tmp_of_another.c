/* tmp_of_another.c: looks in /tmp for files of another instance. */
#include "attack.h"

const char *
attack(hearth_call *call)
{
    const char *left = hearth_query(call, "leave");

    if (left != NULL) {
        int fd = open("/tmp/left", O_WRONLY | O_CREAT, 0600);

        (void)!write(fd, "secret", 6);
        abort(); /* another instance runs the next call */
    }
    return open("/tmp/left", O_RDONLY) >= 0 ? "it sees another instance's file" : NULL;
}
