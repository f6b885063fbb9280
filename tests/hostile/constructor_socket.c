/* constructor_socket.c: makes a socket before the first call. */
#include "attack.h"

static int got = -1;

static __attribute__((constructor)) void
begin(void)
{
    got = socket(AF_INET, SOCK_STREAM, 0);
}

const char *
attack(hearth_call *call)
{
    (void)call;
    return got >= 0 ? "its constructor has a socket" : NULL;
}
