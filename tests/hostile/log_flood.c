/* log_flood.c: prints a hundred megabytes, including control characters. */
#include "attack.h"

const char *
attack(hearth_call *call)
{
    static char bytes[65536];

    memset(bytes, 1, sizeof bytes);
    for (size_t i = 63; i < sizeof bytes; i += 64)
        bytes[i] = '\n';
    for (int i = 0; i < 1600; i++)
        (void)!write(1, bytes, sizeof bytes);
    (void)hearth_log(call, HEARTH_INFO, "%s", "the end of the flood");
    return NULL;
}
