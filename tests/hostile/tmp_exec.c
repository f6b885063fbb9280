/* tmp_exec.c: writes code to its /tmp in a constructor, while executable mappings are allowed, and
 * maps it. */
#include "attack.h"

static const char *got;

static __attribute__((constructor)) void
begin(void)
{
    static const unsigned char code[] = {0xb8, 42, 0, 0, 0, 0xc3};
    int fd = open("/tmp/code", O_RDWR | O_CREAT, 0700);

    if (fd < 0 || write(fd, code, sizeof code) != (ssize_t)sizeof code)
        got = "it could not write, which proves nothing";
    else if (mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0) != MAP_FAILED)
        got = "it mapped a file of its /tmp to execute";
}

const char *
attack(hearth_call *call)
{
    (void)call;
    return got;
}
