/* service.h: processes of the daemon without privilege that reach the network: the exporter and the
 * broker. */
#ifndef SANDBOX_LAUNCHER_SERVICE_H
#define SANDBOX_LAUNCHER_SERVICE_H

#include <sys/resource.h>

#include "launcher/launcher.h"

struct launcher_service {
    const char *program; /* in libexec/hearth */
    char *const *argv;
    int sock;      /* becomes descriptor 3; the rest is closed. 0 is /dev/null */
    uid_t uid;     /* and gid */
    rlim_t memory; /* bytes of address space */
    rlim_t threads;
};

/* Starts it and has its end watched with the tag. 0, its pid and pidfd; or a negative errno. */
int launcher_service_start(struct launcher *l, const struct launcher_service *service, uint64_t tag,
                           pid_t *pid, int *pidfd, struct hearth_err *err);
/* Its pidfd says that it has ended: reaps it and says so in the log. True: it should be started
 * again; false: it runs, or the daemon stops. what: its name for people. */
bool launcher_service_ended(const struct launcher *l, const char *what, pid_t *pid, int *pidfd);

#endif
