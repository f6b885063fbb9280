/* tmp_flush.c: flushes the host's disk through an open library. Also with an invalid descriptor: if
 * the kernel handled the call, it would return an error. */
#include "attack.h"

const char *
attack(hearth_call *call)
{
    (void)call;
    return fsync(-1) == 0 && fdatasync(-1) == 0 ? NULL : "the kernel flushes for it";
}
