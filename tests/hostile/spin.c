/* spin.c: never returns, and tries to block all signals. */
#include "attack.h"

const char *
attack(hearth_call *call)
{
    sigset_t all;

    (void)call;
    (void)sigfillset(&all);
    (void)sigprocmask(SIG_BLOCK, &all, NULL);
    for (int sig = 1; sig < NSIG; sig++)
        (void)signal(sig, SIG_IGN);
    for (volatile int i = 0;; i++)
        ;
}
