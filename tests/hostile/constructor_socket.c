/* constructor_socket.c: makes a socket before the first call. */
#include "attack.h"

static __attribute__((constructor)) void
begin(void)
{
    (void)socket(AF_INET, SOCK_STREAM, 0);
}

const char *
attack(hearth_call *call)
{
    (void)call;
    return "its constructor went through";
}
