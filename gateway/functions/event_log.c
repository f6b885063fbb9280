/* event_log.c: see event_log.h. */
#include "event_log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "limits.h"
#include "text.h"

#define FACTS_MOST 256

static struct event {
    int64_t at_ms; /* since 1970 */
    const char *event;
    char name[LIMIT_NAME + 1];
    char facts[FACTS_MOST];
} ring[GW_EVENTS_KEPT];

static uint64_t next;

void
gw_event(const char *name, const char *event, const char *fmt, ...)
{
    struct event *e = &ring[next++ % GW_EVENTS_KEPT];
    va_list ap;
    int n;

    e->at_ms = clock_wall_ms();
    e->event = event;
    (void)snprintf(e->name, sizeof e->name, "%s", name);
    va_start(ap, fmt);
    n = vsnprintf(e->facts, sizeof e->facts, fmt, ap);
    va_end(ap);
    if (n < 0 || (size_t)n >= sizeof e->facts)
        e->facts[0] = '\0';
}

uint64_t
gw_events_next(void)
{
    return next;
}

static void
print_event(FILE *out, const struct event *e)
{
    char at[TEXT_TIME];

    (void)fprintf(out, "{\"time\":\"%s\",\"event\":\"%s\",\"function\":\"%s\"%s}\n",
                  text_time(e->at_ms, at), e->event, e->name, e->facts);
}

char *
gw_events_text(uint64_t *from, const char *name, int64_t since_ms, size_t *len)
{
    char *text = NULL;
    FILE *out = open_memstream(&text, len);
    uint64_t first = next > GW_EVENTS_KEPT ? next - GW_EVENTS_KEPT : 0;

    if (out == NULL)
        return NULL;
    for (uint64_t n = *from > first ? *from : first; n < next; n++) {
        const struct event *e = &ring[n % GW_EVENTS_KEPT];

        if ((name[0] == '\0' || strcmp(e->name, name) == 0) && e->at_ms >= since_ms)
            print_event(out, e);
    }
    *from = next;
    return fclose(out) == 0 ? text : NULL;
}
