/* constructor_files.c: looks for the host's files in a constructor. */
#include "attack.h"

static const char *got;

static __attribute__((constructor)) void
begin(void)
{
    got = open_any_host_path();
}

const char *
attack(hearth_call *call)
{
    (void)call;
    return got;
}
