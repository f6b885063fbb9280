/* any_call.c: makes the system call of the number in the request, with arguments that are invalid
 * for every call. For a test that tries them all. */
#include "attack.h"

const char *
attack(hearth_call *call)
{
    const char *number = hearth_query(call, "number");
    long nr = number != NULL ? strtol(number, NULL, 10) : SYS_getpid;

    (void)syscall(nr, -1L, -1L, -1L, -1L, -1L, -1L);
    return NULL;
}
