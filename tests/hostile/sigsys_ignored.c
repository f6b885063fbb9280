/* sigsys_ignored.c: replaces the handler that reports a forbidden call, blocks the signal, and
 * makes such a call. */
#include "attack.h"

const char *
attack(hearth_call *call)
{
    sigset_t all, now;

    (void)call;
    (void)sigfillset(&all);
    if (sigprocmask(SIG_SETMASK, &all, NULL) != 0 || sigprocmask(SIG_SETMASK, NULL, &now) != 0)
        return NULL;
    if (sigismember(&now, SIGSYS) || signal(SIGSYS, SIG_IGN) != SIG_ERR)
        return "the platform's handler is gone";
    return syscall(SYS_socket, AF_INET, SOCK_STREAM, 0) >= 0 ? "it has a socket" : NULL;
}
