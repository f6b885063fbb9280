/* thread_bomb.c: creates threads without end, and leaves them running when the call ends. */

#include "attack.h"

#include <pthread.h>

static void *
stay(void *arg)
{
    for (;;)
        (void)sched_yield();
    return arg;
}

const char *
attack(hearth_call *call)
{
    pthread_t thread;
    int made = 0;

    (void)call;
    for (int i = 0; i < 1000; i++)
        made += pthread_create(&thread, NULL, stay, NULL) == 0;
    return made > 0 ? "it has threads" : NULL;
}
