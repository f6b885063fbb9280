/* slow.c: takes 10 ms, and uses no core meanwhile. */
#include <hearth.h>
#include <time.h>

int
hearth_handle(hearth_call *call)
{
    struct timespec t = {.tv_nsec = 10000000};

    (void)nanosleep(&t, NULL);
    return hearth_write(call, "done", 4);
}
