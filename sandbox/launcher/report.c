/* report.c: see report.h. */
#include "launcher/report.h"

#include <stdarg.h>
#include <stdio.h>

#include "clock.h"
#include "log.h"

#define ERROR_INTERVAL_MS 1000
#define RESTARTS_MAX      5

void
launcher_log_error(struct launcher *l, const char *fmt, ...)
{
    int64_t now = clock_ms();
    char text[256], left_out[64] = "";
    va_list ap;

    if (l->error_logged_ms != 0 && now - l->error_logged_ms < ERROR_INTERVAL_MS) {
        l->errors_left_out++;
        return;
    }
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (l->errors_left_out > 0)
        (void)snprintf(left_out, sizeof left_out, " (%u errors before it were left out)",
                       l->errors_left_out);
    log_error("%s%s", text, left_out);
    l->errors_left_out = 0;
    l->error_logged_ms = now;
}

bool
launcher_may_restart(struct launcher_restarts *restarts, int64_t window_ms)
{
    int64_t now = clock_ms();

    if (now - restarts->since_ms > window_ms) {
        restarts->count = 0;
        restarts->since_ms = now;
    }
    return ++restarts->count <= RESTARTS_MAX;
}
