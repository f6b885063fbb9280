/* fini_socket.c: makes a forbidden system call in hearth_fini. */
#include "attack.h"

void
hearth_fini(void)
{
    (void)socket(AF_INET, SOCK_STREAM, 0);
}

const char *
attack(hearth_call *call)
{
    (void)call;
    return NULL;
}
