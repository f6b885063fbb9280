/* clock.c: server-sent events: the time, once a second, as long as the client listens.
 *
 *     curl -X PUT … --data-binary @clock.c '…/v1/functions/clock?stream=true&timeout=1h'
 *     curl -N http://localhost:8080/function/clock?seconds=5
 *
 * In a page: new EventSource("/function/clock").
 */
#include <hearth.h>
#include <stdlib.h>
#include <time.h>

int
hearth_handle(hearth_call *call)
{
    const char *seconds = hearth_query(call, "seconds");
    long left = seconds != NULL ? atol(seconds) : 3600;
    struct timespec next;

    hearth_set_header(call, "Content-Type", "text/event-stream");
    hearth_set_header(call, "Cache-Control", "no-store");
    clock_gettime(CLOCK_MONOTONIC, &next);
    for (; left > 0; left--) {
        time_t now = time(NULL);
        struct tm tm;
        char text[32];

        strftime(text, sizeof text, "%H:%M:%S", gmtime_r(&now, &tm));
        if (hearth_printf(call, "data: %s\n\n", text) < 0)
            return 0; /* the client has gone */
        if (left > 1) {
            next.tv_sec++;
            clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
        }
    }
    return 0;
}
