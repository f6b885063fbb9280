/* service.c: see service.h. */
#include "launcher/service.h"

#include <assert.h>
#include <errno.h>
#include <linux/close_range.h>
#include <linux/limits.h>
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "capabilities.h"
#include "cleanup.h"
#include "inherit.h"
#include "launcher/jail.h"
#include "launcher/watch.h"
#include "log.h"
#include "signals.h"

#define SOCK INHERIT_BROKER_LAUNCHER

static_assert(INHERIT_EXPORTER_RECORDS == (int)SOCK, "one place for both");

static int
become_user(const struct launcher *l, const struct launcher_service *service,
            struct hearth_err *err)
{
    struct rlimit memory = {service->memory, service->memory}, none = {0, 0};
    struct rlimit threads = {service->threads, service->threads};
    const uid_t uid = l->without_users ? 0 : service->uid;
    int status;

    if (setrlimit(RLIMIT_AS, &memory) != 0 || setrlimit(RLIMIT_CORE, &none) != 0 ||
        (!l->without_users && setrlimit(RLIMIT_NPROC, &threads) != 0))
        return err_set(err, errno, "limit %s", service->program);
    status = capabilities_drop(uid, uid, err);
    return status == 0 ? signals_reset(err) : status;
}

static _Noreturn void
child(const struct launcher *l, const struct launcher_service *service)
{
    char path[PATH_MAX];
    struct hearth_err err = {0};
    int status = sbx_jail_hide(&l->jail, &err);

    (void)snprintf(path, sizeof path, "%s/libexec/hearth/%s", l->prefix, service->program);
    if (status == 0 && (dup2(service->sock, SOCK) < 0 || dup2(l->null, 0) < 0 ||
                        syscall(SYS_close_range, SOCK + 1, ~0U, 0) != 0))
        status = err_set(&err, errno, "arrange the descriptors of %s", service->program);
    if (status == 0)
        status = become_user(l, service, &err);
    if (status == 0) {
        (void)execv(path, service->argv);
        (void)err_set(&err, errno, "execute %s", path);
    }
    log_error("%s", err.text);
    _exit(1);
}

int
launcher_service_start(struct launcher *l, const struct launcher_service *service, uint64_t tag,
                       pid_t *pid, int *pidfd, struct hearth_err *err)
{
    *pid = fork();
    if (*pid == 0)
        child(l, service);
    if (*pid < 0)
        return err_set(err, errno, "start %s", service->program);
    *pidfd = (int)syscall(SYS_pidfd_open, *pid, 0);
    if (*pidfd >= 0 && launcher_watch(l, *pidfd, tag) == 0)
        return 0;
    (void)err_set(err, errno, "watch %s", service->program);
    (void)kill(*pid, SIGKILL);
    (void)waitpid(*pid, NULL, 0);
    *pid = 0;
    return err->code;
}

bool
launcher_service_ended(const struct launcher *l, const char *what, pid_t *pid, int *pidfd)
{
    int status = 0;

    if (waitpid(*pid, &status, WNOHANG) != *pid)
        return false;
    (void)close(take_fd(pidfd));
    *pid = 0;
    if (l->stopping)
        return false;
    log_warning("%s ended with %s %d", what, WIFEXITED(status) ? "status" : "signal",
                WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
    return true;
}
