/* thread_before_filter.c: a constructor starts a thread, to keep the wider filter for loading when
 * the first thread narrows its own. */
#include "attack.h"

#include <pthread.h>
#include <stdatomic.h>

static atomic_int asked, answered, got;

static void *
wait_for_call(void *arg)
{
    while (!asked)
        (void)sched_yield();
    got = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED;
    answered = 1;
    return arg;
}

static __attribute__((constructor)) void
begin(void)
{
    pthread_t thread;

    answered = pthread_create(&thread, NULL, wait_for_call, NULL) != 0 ? 2 : 0;
}

const char *
attack(hearth_call *call)
{
    (void)call;
    if (answered == 2)
        return "the thread could not be created, so this proves nothing";
    asked = 1;
    while (!answered)
        (void)sched_yield();
    return got ? "a thread has the filter for loading" : NULL;
}
