/* open_passwd.c: reads the host's users. The jail's /etc/passwd lists only the function's own user.
 */
#include "attack.h"

const char *
attack(hearth_call *call)
{
    static char line[512];
    FILE *file = fopen("/etc/passwd", "r");

    (void)call;
    while (file != NULL && fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, "hearth:", 7) != 0)
            return line;
    return NULL;
}
