/* report.h: what happens again and again: errors for the log, and restarts, at a limited rate. */
#ifndef SANDBOX_LAUNCHER_REPORT_H
#define SANDBOX_LAUNCHER_REPORT_H

#include "launcher/launcher.h"

/* An error for the log. At most one line a second; the next line has the number left out. */
void launcher_log_error(struct launcher *l, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Counts a restart. False: there were too many within the window, so there should be none. */
bool launcher_may_restart(struct launcher_restarts *restarts, int64_t window_ms);

#endif
