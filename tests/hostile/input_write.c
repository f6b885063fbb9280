/* input_write.c: writes to its standard input, which must not be a device of the host. */
#include "attack.h"

const char *
attack(hearth_call *call)
{
    (void)call;
    return write(0, "x", 1) == 1 ? "it writes to its input" : NULL;
}
