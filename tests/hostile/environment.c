/* environment.c: looks for secrets in its environment, arguments and auxiliary vector; its
 * env asks for a library of its own to be loaded (LD_PRELOAD), which must mean nothing. */
#include "attack.h"

extern char **environ;

const char *
attack(hearth_call *call)
{
    (void)call;
    if (environ != NULL && environ[0] != NULL)
        return environ[0];
    if (getenv("LD_PRELOAD") != NULL || hearth_env("LD_PRELOAD") == NULL)
        return "the function's env is the process's environment";
    return NULL;
}
