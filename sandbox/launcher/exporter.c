/* exporter.c: see exporter.h. Both ends of the socket stay open here, so that what waits in it
 * survives the end of the gateway and of the exporter.
 */
#include "launcher/exporter.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"
#include "launcher/report.h"
#include "launcher/service.h"
#include "launcher/watch.h"
#include "log.h"

#define RESTARTS_WINDOW_MS 60000
#define LAST_MS            3000 /* to send what it has when the daemon stops */
#define MEMORY_BYTES       (512 << 20)
#define THREADS            16 /* that resolve names */

static int
start(struct launcher *l, struct hearth_err *err)
{
    char url[512], form[64];
    char *argv[] = {(char *)"hearth-exporter", url, form, NULL};

    (void)snprintf(url, sizeof url, "%s", l->options.otlp);
    (void)snprintf(form, sizeof form, "--log_format=%s",
                   l->options.log_format != NULL ? l->options.log_format : "text");
    return launcher_service_start(l,
                                  &(struct launcher_service){.program = "hearth-exporter",
                                                             .argv = argv,
                                                             .sock = l->exporter_socks[1],
                                                             .uid = LAUNCHER_UID_EXPORTER,
                                                             .memory = MEMORY_BYTES,
                                                             .threads = THREADS},
                                  LAUNCHER_TAG_EXPORTER, &l->exporter_pid, &l->exporter_pidfd, err);
}

int
launcher_exporter_open(struct launcher *l, struct hearth_err *err)
{
    if (l->options.otlp == NULL)
        return 0;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, l->exporter_socks) != 0)
        return err_set(err, errno, "make the socket of the exporter");
    /* the gateway never waits for it */
    if (fcntl(l->exporter_socks[0], F_SETFL, O_NONBLOCK) != 0)
        return err_set(err, errno, "set the socket of the exporter");
    return start(l, err);
}

void
launcher_exporter_ended(struct launcher *l)
{
    struct hearth_err err = {0};

    if (!launcher_service_ended(l, "the exporter of traces", &l->exporter_pid, &l->exporter_pidfd))
        return;
    if (!launcher_may_restart(&l->exporter_restarts, RESTARTS_WINDOW_MS))
        log_error("the exporter keeps ending: no traces are sent any more");
    else if (start(l, &err) < 0)
        log_error("%s", err.text);
}

/* It sends what it has, and ends, once both ends are closed everywhere; if that takes too long, it
 * is ended. */
void
launcher_exporter_close(struct launcher *l)
{
    for (int i = 0; i < 2; i++)
        if (l->exporter_socks[i] >= 0)
            (void)close(take_fd(&l->exporter_socks[i]));
    if (l->exporter_pid <= 0)
        return;
    if (poll(&(struct pollfd){.fd = l->exporter_pidfd, .events = POLLIN}, 1, LAST_MS) == 0)
        (void)kill(l->exporter_pid, SIGKILL);
    (void)waitpid(l->exporter_pid, NULL, 0);
}
