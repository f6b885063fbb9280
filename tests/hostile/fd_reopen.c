/* fd_reopen.c: opens its descriptors again through /fd, to write what it may only read:
 * the kernel's file that says how much memory it uses is one. */
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
