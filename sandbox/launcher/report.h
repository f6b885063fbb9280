/* report.h: errors for the log, at a limited rate. */
#ifndef SANDBOX_LAUNCHER_REPORT_H
#define SANDBOX_LAUNCHER_REPORT_H

#include "launcher/launcher.h"

/* An error for the log. At most one line a second; the next line has the number left out. */
void launcher_log_error(struct launcher *l, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

#endif
