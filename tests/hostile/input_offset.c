/* input_offset.c: stores a number in the offset of its standard input, and reports the previous
 * one. */
#include "attack.h"

const char *
attack(hearth_call *call)
{
    static char found[64];
    long was = lseek(0, 0, SEEK_CUR);

    (void)call;
    (void)lseek(0, 4711, SEEK_SET);
    if (was == 0)
        return NULL;
    (void)snprintf(found, sizeof found, "another left %ld", was);
    return found;
}
