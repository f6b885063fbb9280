/* signals.c: sets what signals do, by system calls: the functions of the C library reject the two
 * signals that it reserves for itself, but these can end the process like any other.
 */
#include "signals.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SIGNALS 64

/* The kernel's struct sigaction; with neither handler nor flags its further members are 0 on
 * every architecture. */
struct action {
    void (*handler)(int);
    unsigned long flags;
    void (*restorer)(void);
    uint64_t mask;
};

/* Not changed: signals that cannot be; faults, for which a debugger or a sanitizer may have a
 * handler; and signals that end no process by default. */
static const int left_alone[] = {
    SIGKILL, SIGSTOP,                                              /* cannot be changed */
    SIGSEGV, SIGBUS,  SIGFPE,  SIGILL,  SIGTRAP,  SIGABRT, SIGSYS, /* faults */
    SIGCONT, SIGTSTP, SIGTTIN, SIGTTOU, SIGWINCH, SIGURG, /* job control; no end by default */
};

static bool
is_left_alone(int sig)
{
    for (size_t i = 0; i < sizeof left_alone / sizeof left_alone[0]; i++)
        if (left_alone[i] == sig)
            return true;
    return false;
}

static int
set(int sig, void (*handler)(int), struct hearth_err *err)
{
    struct action action = {.handler = handler};

    if (syscall(SYS_rt_sigaction, sig, &action, NULL, sizeof action.mask) != 0)
        return err_set(err, errno, "set what signal %d does", sig);
    return 0;
}

int
signals_settle(const sigset_t *acted_on, struct hearth_err *err)
{
    if (sigprocmask(SIG_SETMASK, acted_on, NULL) != 0)
        return err_set(err, errno, "block signals");
    for (int sig = 1; sig <= SIGNALS; sig++) {
        bool by_default = sig == SIGCHLD || sigismember(acted_on, sig) == 1;
        int status = is_left_alone(sig) ? 0 : set(sig, by_default ? SIG_DFL : SIG_IGN, err);

        if (status < 0)
            return status;
    }
    return 0;
}

int
signals_reset(struct hearth_err *err)
{
    sigset_t none;

    for (int sig = 1; sig <= SIGNALS; sig++) {
        int status = sig == SIGKILL || sig == SIGSTOP ? 0 : set(sig, SIG_DFL, err);

        if (status < 0)
            return status;
    }
    (void)sigemptyset(&none);
    if (sigprocmask(SIG_SETMASK, &none, NULL) != 0)
        return err_set(err, errno, "unblock signals");
    return 0;
}
