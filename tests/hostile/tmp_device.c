/* tmp_device.c: creates a device in its /tmp. */
#include "attack.h"

const char *
attack(hearth_call *call)
{
    (void)call;
    return mknod("/tmp/mem", S_IFCHR | 0600, 0x101) == 0 ? "it made a device" : NULL;
}
