/* exporter.c: see exporter.h. Both ends of the socket stay open here, so that what waits in it
 * survives the end of the gateway and of the exporter.
 */
#include "launcher/exporter.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <linux/limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "capabilities.h"
#include "cleanup.h"
#include "inherit.h"
#include "launcher/jail.h"
#include "launcher/report.h"
#include "launcher/watch.h"
#include "log.h"
#include "signals.h"

#define RESTARTS_WINDOW_MS 60000
#define LAST_MS            3000 /* to send what it has when the daemon stops */
#define MEMORY_BYTES       (512 << 20)

static int
become_user(bool alone, struct hearth_err *err)
{
    struct rlimit memory = {MEMORY_BYTES, MEMORY_BYTES}, none = {0, 0};
    struct rlimit threads = {16, 16}; /* that resolve names */
    const uid_t uid = LAUNCHER_UID_EXPORTER;
    int status;

    if (setrlimit(RLIMIT_AS, &memory) != 0 || setrlimit(RLIMIT_CORE, &none) != 0 ||
        (!alone && setrlimit(RLIMIT_NPROC, &threads) != 0))
        return err_set(err, errno, "limit the exporter");
    status = capabilities_bound(err);
    if (status < 0)
        return status;
    /* alone: there is only one user, see --insecure */
    if (!alone &&
        (setgroups(0, NULL) != 0 || setresgid(uid, uid, uid) != 0 || setresuid(uid, uid, uid) != 0))
        return err_set(err, errno, "become the user of the exporter");
    status = capabilities_clear(err);
    if (status < 0)
        return status;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return err_set(err, errno, "give up new privileges");
    return signals_reset(err);
}

static _Noreturn void
exporter_child(const struct launcher *l)
{
    char path[PATH_MAX], url[512], form[64];
    char *argv[] = {(char *)"hearth-exporter", url, form, NULL};
    struct hearth_err err = {0};
    int status = sbx_jail_hide(&l->jail, &err);

    (void)snprintf(url, sizeof url, "%s", l->options.otlp);
    (void)snprintf(form, sizeof form, "--log_format=%s",
                   l->options.log_format != NULL ? l->options.log_format : "text");
    (void)snprintf(path, sizeof path, "%s/libexec/hearth/hearth-exporter", l->prefix);
    if (status == 0 &&
        (dup2(l->exporter_socks[1], INHERIT_EXPORTER_RECORDS) < 0 || dup2(l->null, 0) < 0 ||
         syscall(SYS_close_range, INHERIT_EXPORTER_RECORDS + 1, ~0U, 0) != 0))
        status = err_set(&err, errno, "arrange the descriptors of the exporter");
    if (status == 0)
        status = become_user(l->without_users, &err);
    if (status == 0) {
        (void)execv(path, argv);
        (void)err_set(&err, errno, "execute %s", path);
    }
    log_error("%s", err.text);
    _exit(1);
}

static int
start(struct launcher *l, struct hearth_err *err)
{
    l->exporter_pid = fork();
    if (l->exporter_pid == 0)
        exporter_child(l);
    if (l->exporter_pid < 0)
        return err_set(err, errno, "start the exporter");
    l->exporter_pidfd = (int)syscall(SYS_pidfd_open, l->exporter_pid, 0);
    if (l->exporter_pidfd < 0 || launcher_watch(l, l->exporter_pidfd, LAUNCHER_TAG_EXPORTER) < 0)
        return err_set(err, errno, "watch the exporter");
    return 0;
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
    int status = 0;

    if (waitpid(l->exporter_pid, &status, WNOHANG) != l->exporter_pid)
        return;
    (void)close(take_fd(&l->exporter_pidfd));
    l->exporter_pid = 0;
    if (l->stopping)
        return;
    log_warning("the exporter of traces ended with %s %d", WIFEXITED(status) ? "status" : "signal",
                WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
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
