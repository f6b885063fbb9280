/* environment.c: looks for the host's values in its environment. The values of its setting env are
 * there. LD_PRELOAD in that setting has no effect: the loader has read its variables before. */
#include "attack.h"

extern char **environ;

const char *
attack(hearth_call *call)
{
    (void)call;
    for (char **at = environ; at != NULL && *at != NULL; at++)
        if (strncmp(*at, "LD_PRELOAD=/tmp/", 16) != 0 &&
            strncmp(*at, "LD_LIBRARY_PATH=/tmp", 20) != 0)
            return *at;
    return hearth_env("LD_PRELOAD") == NULL ? "env is not there" : NULL;
}
