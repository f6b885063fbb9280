/* close_all.c: closes every descriptor, its bells among them: nobody hears it any more. */
#include "attack.h"

const char *
attack(hearth_call *call)
{
    (void)call;
    for (int fd = 0; fd < 256; fd++)
        (void)close(fd);
    return NULL;
}
