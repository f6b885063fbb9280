/* exporter.h: the process that sends traces to a collector, if the option otlp is set. */
#ifndef SANDBOX_LAUNCHER_EXPORTER_H
#define SANDBOX_LAUNCHER_EXPORTER_H

#include "launcher/launcher.h"

/* Makes its socket, and starts it. Does nothing if there is no collector. */
int launcher_exporter_open(struct launcher *l, struct hearth_err *err);
/* Its pidfd is readable: it is started again, unless it ends again and again. */
void launcher_exporter_ended(struct launcher *l);
void launcher_exporter_close(struct launcher *l);

#endif
