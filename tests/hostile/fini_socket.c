/* fini_socket.c: makes its forbidden call when nobody waits for it any more. */
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
