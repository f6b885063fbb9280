/* fd_reopen.c: reopens its descriptors through /fd, to write to files that are open read-only, such
 * as the kernel's file of its memory usage. */
#include "attack.h"

static const char *got;

int
hearth_init(void)
{
    char path[32];

    for (int fd = 3; fd < 128; fd++) {
        struct stat st;

        (void)snprintf(path, sizeof path, "/fd/%d", fd);
        if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && open(path, O_WRONLY) >= 0)
            got = "it writes to a file that it was given to read";
    }
    return 0;
}

const char *
attack(hearth_call *call)
{
    (void)call;
    return got;
}
