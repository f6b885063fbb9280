/* shortage.h: whether the host has little memory left. */
#ifndef SANDBOX_LAUNCHER_SHORTAGE_H
#define SANDBOX_LAUNCHER_SHORTAGE_H

#include <stdbool.h>

/* By the texts of /proc/pressure/memory ("" where the kernel has none) and /proc/meminfo: tasks
 * waited for memory in 5 % of the last ten seconds, or less than a tenth of it is available. OOM
 * daemons act there: systemd-oomd on pressure, earlyoom below 10 %. */
bool shortage_shows(const char *pressure, const char *meminfo);
/* Of this host, now. */
bool shortage_now(void);

#endif
