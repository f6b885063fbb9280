/* close_all.c: closes every descriptor, including its eventfds, so that it cannot signal the
 * gateway any more. */
#include "attack.h"

const char *
attack(hearth_call *call)
{
    (void)call;
    for (int fd = 0; fd < 256; fd++)
        (void)close(fd);
    return NULL;
}
