/* tmp_flush.c: flushes the disk of the host through a library that it has open. That the
 * kernel is never asked is seen from a descriptor that is none: it would say so. */
#include "attack.h"

const char *
attack(hearth_call *call)
{
    (void)call;
    return fsync(-1) == 0 && fdatasync(-1) == 0 ? NULL : "the kernel flushes for it";
}
