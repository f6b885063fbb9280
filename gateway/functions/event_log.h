/* event_log.h: what the platform did and why: deploys, starts, ends of instances with their
 * reasons, changed settings. The last GW_EVENTS_KEPT are kept, in memory. Call with the lock held.
 */
#ifndef GATEWAY_EVENT_LOG_H
#define GATEWAY_EVENT_LOG_H

#include <stddef.h>
#include <stdint.h>

#define GW_EVENTS_KEPT 1024

/* name: the function's. fmt: further members of the JSON object, each with a comma before it, of
 * texts that need no escaping; "" for none. What is too long is left out. */
void gw_event(const char *name, const char *event, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* The events from number *from on, of one function or, for "", of all, that are
 * not older than since_ms (since 1970), a JSON object per line.
 * *from becomes the number of the next one. From malloc; NULL if there is no memory. */
char *gw_events_text(uint64_t *from, const char *name, int64_t since_ms, size_t *len);
/* The number of the next event. */
uint64_t gw_events_next(void);

#endif
