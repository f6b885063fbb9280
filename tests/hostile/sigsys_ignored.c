/* sigsys_ignored.c: puts a handler of its own in the place of the one that tells of a
 * forbidden call, blocks the signal, and makes the call. */
#include "attack.h"

const char *
attack(hearth_call *call)
{
    sigset_t all;

    (void)call;
    (void)sigfillset(&all);
    if (sigprocmask(SIG_SETMASK, &all, NULL) == 0 || signal(SIGSYS, SIG_IGN) != SIG_ERR)
        return "the platform's handler is gone";
    return syscall(SYS_socket, AF_INET, SOCK_STREAM, 0) >= 0 ? "it has a socket" : NULL;
}
